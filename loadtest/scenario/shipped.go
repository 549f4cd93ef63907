package scenario

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

//go:embed shipped/*.yaml
var shipped embed.FS

// Shipped lists the names of the scenarios that come with the command.
func Shipped() []string {
	entries, err := fs.ReadDir(shipped, "shipped")
	if err != nil {
		panic(fmt.Sprintf("the embedded scenarios cannot be listed: %v", err))
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Load reads a scenario by the name of a shipped one, or else by the path of a file. It fails with
// the error of the file system, or as Parse does.
func Load(what string) (*Scenario, error) {
	if text, err := shipped.ReadFile("shipped/" + what + ".yaml"); err == nil {
		return Parse(what+".yaml", text)
	}
	text, err := os.ReadFile(what)
	if err != nil {
		return nil, fmt.Errorf("%q is no scenario of ours (%s) and no file that can be read: %w",
			what, strings.Join(Shipped(), ", "), err)
	}
	return Parse(what, text)
}
