package judge

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"holdfast/cmd/internal/robustness/history"
)

// Linear is what the linearizability checker found.
type Linear struct {
	Histories  int
	Violations []Violation
}

// checkFor bounds the check of one history.
const checkFor = time.Minute

// Linearizable checks the history of each group of SKUs. Of those that it rejects it leaves a
// drawing in dir.
func Linearizable(ops []history.Op, dir string) Linear {
	groups := map[string][]*history.Op{}
	for i := range ops {
		if op := &ops[i]; op.Group != "" {
			groups[op.Group] = append(groups[op.Group], op)
		}
	}
	var names []string
	for name := range groups {
		names = append(names, name)
	}
	slices.Sort(names)
	result := Linear{Histories: len(names)}
	var mu sync.Mutex
	var tasks sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU())
	v := &verdict{}
	for _, name := range names {
		slots <- struct{}{}
		tasks.Go(func() {
			defer func() { <-slots }()
			verdict, info := porcupine.CheckOperationsVerbose(Model(), operations(groups[name]), checkFor)
			if verdict == porcupine.Ok {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if verdict == porcupine.Unknown {
				v.add(OracleUndecided, "", "group %s: not within %v", name, checkFor)
				return
			}
			v.add(OracleLinear, "", "group %s has no order in which its %d operations make sense%s", name,
				len(groups[name]), draw(info, filepath.Join(dir, "linear-"+name+".html")))
		})
	}
	tasks.Wait()
	result.Violations = v.found
	return result
}

// draw leaves a drawing of a rejected history and says where.
func draw(info porcupine.LinearizationInfo, path string) string {
	f, err := os.Create(path)
	if err != nil {
		return " (no drawing: " + err.Error() + ")"
	}
	defer f.Close()
	if err := porcupine.Visualize(Model(), info, f); err != nil {
		return " (no drawing: " + err.Error() + ")"
	}
	return "; see " + path
}
