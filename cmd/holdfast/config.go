package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/settings"
)

func (a *app) configCommand() *cobra.Command {
	show := &cobra.Command{
		Use:   "show",
		Short: "Show every setting, its value and where that came from",
		Args:  cobra.NoArgs,
		RunE:  a.configShow,
	}
	validate := &cobra.Command{
		Use:   "validate",
		Short: "Check flags, environment and file, and name every fault",
		Args:  cobra.NoArgs,
		RunE:  a.configValidate,
	}
	for _, c := range []*cobra.Command{show, validate} {
		settings.Register(c.Flags(), settings.All)
	}
	return group("config", "See and check the settings", show, validate, &cobra.Command{
		Use:   "reference",
		Short: "Print the page of all settings as Markdown",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return settings.Reference(a.stdout) },
	})
}

func (a *app) configShow(c *cobra.Command, _ []string) error {
	v, err := a.settings(c)
	if err != nil {
		return err
	}
	out := a.printer(v.Client().Output)
	type entry struct {
		Key    string `json:"key"`
		Value  string `json:"value"`
		Origin string `json:"from"`
	}
	var entries []entry
	var rows [][]any
	for _, val := range v.All() {
		entries = append(entries, entry{val.Key, val.Text, val.Origin})
		rows = append(rows, []any{val.Key, val.Text, val.Origin})
	}
	if out.form == "json" {
		return out.json(entries)
	}
	return out.rows([]string{"key", "value", "from"}, rows)
}

// configValidate also reads the secrets, which serve and the other commands do only when they need
// them.
func (a *app) configValidate(c *cobra.Command, _ []string) error {
	v, err := a.settings(c)
	if err != nil {
		return err
	}
	if _, err := v.Client().Key.Reveal(); err != nil {
		return usagef("key: %w", err)
	}
	if err := v.CheckNode(); err != nil {
		return usagef("%w", err)
	}
	if _, err := alertsOf(v.Node().Alerts); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "settings are valid")
	return nil
}
