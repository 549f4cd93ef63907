// Package settings reads what an operator has set: flag, then environment, then YAML file, then
// default.
//
// There is one table, [Table], in table.go. Flags, names of environment variables, the keys of the
// file, the reference page and `config show` all come from it, so they cannot disagree. Values are
// text until [Values] gives them out typed; every fault is found at once and names the setting and
// where its value came from.
//
// A secret is written as file:/path or env:NAME and has the type [Secret], which prints as ***.
package settings
