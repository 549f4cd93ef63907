package settings

import (
	"fmt"
	"io"
	"strings"
)

// Reference writes the page of all settings as Markdown. The error is the writer's.
func Reference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Settings\n\nA flag counts before the environment, the environment before the " +
		"YAML file that\n`--config` or `HOLDFAST_CONFIG` names, and the file before the default.\n" +
		"Secrets are written as `file:/path` or `env:NAME` and print as `***`.\n")
	for _, group := range []struct{ For, title string }{
		{"serve", "A node (`holdfast serve`)"},
		{"client", "Commands that ask a server"},
	} {
		fmt.Fprintf(&b, "\n## %s\n| key in the file | flag | environment | default | meaning |\n"+
			"|---|---|---|---|---|\n", group.title)
		for _, s := range table {
			if s.For != group.For {
				continue
			}
			def := "none"
			if s.Default != "" {
				def = "`" + s.Default + "`"
			}
			help := s.Help
			if len(s.Choices) > 0 {
				help += ": " + strings.Join(s.Choices, ", ")
			}
			fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s |\n", s.Key, s.Flag(), s.Env(), def, help)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
