package robustness

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Build builds the holdfast command of this tree, with build tags if there are any. It fails with
// what the compiler says.
func Build(ctx context.Context, path, tags string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-o", path, "holdfast/cmd/holdfast")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build holdfast with tags %q: %w: %s", tags, err,
			strings.TrimSpace(string(out)))
	}
	return nil
}
