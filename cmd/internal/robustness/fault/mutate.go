package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"holdfast/cmd/internal/robustness/cluster"
	"holdfast/cmd/internal/robustness/volume"
)

// startFor bounds a start from a damaged folder.
const startFor = 60 * time.Second

// mutate stops one node, changes one of its files and starts it. It must refuse, naming the file
// and what to do, or come back equal to the others. After a refusal it gets its folder back as it
// was: what a person would do is another command's matter.
func (w *World) mutate(ctx context.Context) error {
	return w.mutateOne(ctx, w.any(), func(string) bool { return true })
}

// mutateOne is mutate of one node, of a file that only chooses.
func (w *World) mutateOne(ctx context.Context, n *cluster.Node, only func(file string) bool) error {
	end := n.Kill
	if w.Chance.IntN(2) == 0 {
		end = n.Stop
	}
	if err := end(); err != nil {
		return err
	}
	saved := filepath.Join(w.Dir, n.Name+".saved")
	if err := n.Volume.Save(saved); err != nil {
		return err
	}
	defer os.RemoveAll(saved)
	spare := spareCheckpoints(n.Volume.Dir)
	d, err := volume.Mutate(n.Volume.Dir, only, w.Chance)
	if err := errors.Join(err, n.Volume.Sync()); err != nil {
		return err
	}
	w.Log("%s: %s: %s", n.Name, d.File, d.What)
	err = w.startDamaged(ctx, n, d)
	if err == nil && !n.Runs() && w.otherIsGood(n, spare, filepath.Dir(d.File)) {
		err = broken("%s of %s: %s: the other checkpoint is good, and it refused all the same", d.File,
			n.Name, d.What)
	}
	var wrong *BrokenError
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	if err == nil && n.Runs() {
		if err = w.Cluster.Whole(ctx, w.wholeFor()); err == nil {
			w.Tally.Survived++
			w.hurtIn(n, filepath.Dir(d.File))
			return nil
		}
	}
	if err != nil {
		w.Broken(err) // and go on: the folder as it was is still there
	}
	if err := n.Kill(); err != nil {
		return err
	}
	if err := n.Volume.Restore(saved); err != nil {
		return err
	}
	return n.Start()
}

// startDamaged starts a node from a folder with a damaged file. It fails with *BrokenError unless
// the node serves, or refuses as it should.
func (w *World) startDamaged(ctx context.Context, n *cluster.Node, d volume.Damage) error {
	n.Excuse("its file " + d.File + " was damaged")
	if err := n.Start(); err != nil {
		return err
	}
	got, err := n.AwaitStart(ctx, startFor)
	if err != nil {
		return broken("%s: %s, then %v", d.File, d.What, err)
	}
	for range 30 { // what is wrong may show when the others send it what it lacks
		if !n.Runs() {
			break
		}
		w.wait(ctx, 20*time.Millisecond)
	}
	if n.Runs() {
		return nil
	}
	if got.Ready {
		if got, err = n.AwaitStart(ctx, startFor); err != nil {
			return err
		}
	}
	if err := refusesWell(got, n.Volume.Dir, d); err != nil {
		return broken("%s of %s: %s: %v", d.File, n.Name, d.What, err)
	}
	w.Tally.Refusals++
	w.Log("refused: %s", refusalLine(got.Said))
	return nil
}

// refusalLine is the last line that a node printed that says what to do.
func refusalLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(lines[i], "what to do") {
			return lines[i]
		}
	}
	return lines[len(lines)-1]
}

// named finds paths below a folder.
var named = regexp.MustCompile(`[^\s"':;,]+`)

// refusesWell says what is missing in a refusal: a file or folder of the node's, and what to do.
func refusesWell(got cluster.Verdict, dir string, d volume.Damage) error {
	line := refusalLine(got.Said)
	if !strings.Contains(line, "what to do") {
		return fmt.Errorf("it ended with status %d and does not say what to do: %s", got.Status, line)
	}
	for _, word := range named.FindAllString(line, -1) {
		rest, below := strings.CutPrefix(word, dir)
		if below && strings.HasPrefix(filepath.Join(dir, d.File), strings.TrimRight(dir+rest, "/.")) {
			return nil
		}
		if below && rest != "" {
			return nil // another file of the same folder, whose match is missing
		}
	}
	return fmt.Errorf("it ended with status %d and names no file: %s", got.Status, line)
}

// checkpointFolder finds the folders that CURRENT names.
var checkpointFolder = regexp.MustCompile(`"folder":\s*"([^"]+)"`)

// hurtIn notes that a damaged file stays where it is: the node did not need it.
func (w *World) hurtIn(n *cluster.Node, folder string) {
	if w.hurt == nil {
		w.hurt = map[string]bool{}
	}
	w.hurt[filepath.Join(n.Name, folder)] = true
}

// otherIsGood reports whether a checkpoint, when it is damaged, has another beside it of which no
// file was damaged before.
func (w *World) otherIsGood(n *cluster.Node, spare []string, damaged string) bool {
	return slices.Contains(spare, damaged) && !slices.ContainsFunc(spare, func(folder string) bool {
		return folder != damaged && w.hurt[filepath.Join(n.Name, folder)]
	})
}

// spareCheckpoints lists the checkpoints of a node, newest first, each as a path below its folder,
// when there are two: either of them is there in case the other is bad.
func spareCheckpoints(dir string) []string {
	if all := checkpointsOf(dir); len(all) > 1 {
		return all
	}
	return nil
}

// checkpointsOf lists the checkpoints of a node, newest first, each as a path below its folder.
func checkpointsOf(dir string) []string {
	text, err := os.ReadFile(filepath.Join(dir, "checkpoints", "CURRENT"))
	if err != nil {
		return nil // damaged or gone: then no checkpoint counts
	}
	var all []string
	for _, m := range checkpointFolder.FindAllStringSubmatch(string(text), -1) {
		all = append(all, filepath.Join("checkpoints", m[1]))
	}
	return all
}
