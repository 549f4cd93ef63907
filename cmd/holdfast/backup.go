package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
	"holdfast/raftstore"
)

const backupHelp = `Takes a backup of everything at one index, while the cluster works, and writes it to FILE, or to
standard output for -. Any node can be asked; it serves the others and its clients meanwhile.

FILE must not exist. What is written is called FILE.partial until it is whole, was made durable and
was read back; then it gets its name. So a FILE that is there is a whole backup.

With --encrypt-to, --key-file or --passphrase-file it is encrypted before it is written, as the tool
age does it; no key is sent anywhere. What was encrypted with --encrypt-to alone cannot be opened here,
so reading back compares it with what was written; what came from the server is checked either way.

--events=false leaves the history of events out: the file is shorter, and what is restored from it has
no events from before, and refuses counts of stock that speak of an earlier moment.

"holdfast verify FILE" proves a backup, the ledger in it included; "holdfast restore" makes a new
cluster of it.`

// backing is one run of `backup`.
type backing struct {
	session
	file   string
	keys   *backupKeys
	events bool
}

func (a *app) backupCommand() *cobra.Command {
	var keys backupKeys
	var events bool
	c := a.asks(&cobra.Command{
		Use:   "backup FILE|-",
		Short: "Take a backup of a running cluster",
		Long:  backupHelp,
		Args:  one("FILE"),
	}, func(ctx context.Context, s session, args []string) error {
		b := backing{session: s, file: args[0], keys: &keys, events: events}
		return b.do(ctx)
	})
	keys.register(c.Flags(), true)
	c.Flags().BoolVar(&events, "events", true, "take the kept events along")
	return c
}

func (b backing) do(ctx context.Context) error {
	if b.keys.any() { // before anything is asked or made
		if _, err := b.keys.recipients(); err != nil {
			return err
		}
	}
	if b.file == "-" {
		if b.outTerminal {
			return usagef("standard output is a terminal: give a file, or send it somewhere")
		}
		head, err := b.receive(ctx, b.stdout)
		if err == nil {
			fmt.Fprintf(b.stderr, "backup of index %d sent, digest %v\n", head.Index, digestText(head))
		}
		return err
	}
	return b.toFile(ctx)
}

func digestText(h raftstore.BackupHead) string { return fmt.Sprintf("%016x", uint64(h.Digest)) }

// toFile writes the file, proves it and gives it its name.
func (b backing) toFile(ctx context.Context) error {
	f, err := createPartial(b.file)
	if err != nil {
		return err
	}
	head, err := b.receive(ctx, f)
	if err == nil {
		err = f.prove(b.keys)
	}
	if err == nil {
		err = f.publish()
	}
	if err = errors.Join(err, f.close()); err != nil {
		return err
	}
	if b.events && head.Events.Seq > 0 && head.Events.First == 0 {
		// It was sent a checkpoint lately, and the events behind that are still on their way.
		fmt.Fprintf(b.stderr, "holdfast: node %s has no events of before the backup, so %s has none: ask "+
			"another node for one with them\n", head.Node, b.file)
	}
	if b.out.form == "json" {
		return b.out.json(map[string]any{"file": b.file, "index": head.Index, "term": head.Term,
			"digest": digestText(head), "cluster_id": head.ClusterID, "node": head.Node,
			"created": head.Created, "bytes": f.written, "encrypted": b.keys.any(),
			"first_event": head.Events.First, "last_event": head.Events.Seq})
	}
	return b.out.rows([]string{"file", "index", "digest", "bytes", "node"},
		[][]any{{b.file, head.Index, digestText(head), f.written, head.Node}})
}

// The server takes its checkpoint before the first byte; later a silence means that something is
// wrong.
const (
	firstByteWait = 6 * time.Minute
	nextByteWait  = time.Minute
)

// receive writes the backup to w, encrypted if there are keys, and checks what comes from the server on
// its way. It fails unless all of a backup came.
func (b backing) receive(ctx context.Context, w io.Writer) (raftstore.BackupHead, error) {
	none := raftstore.BackupHead{}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(firstByteWait, func() { cancel(errors.New("the server sends nothing")) })
	defer idle.Stop()
	body, err := b.client.Stream(ctx, client.Call{Method: "POST", Path: "/v1/backup",
		Query: url.Values{"events": {strconv.FormatBool(b.events)}}})
	if err != nil {
		var lost *client.UnknownError
		if errors.As(err, &lost) { // a backup changes nothing, so there is nothing to be unsure of
			err = &client.UnreachableError{Server: b.client.Server(), Err: lost.Err}
		}
		return none, err
	}
	defer body.Close()
	sealed, err := b.keys.encrypt(w)
	if err != nil {
		return none, err
	}
	check := b.startCheck()
	from := &watched{r: body, idle: idle}
	_, copied := io.Copy(io.MultiWriter(sealed, check), from)
	head, checked := check.end(copied)
	switch {
	case copied != nil && context.Cause(ctx) != nil:
		return none, fmt.Errorf("receive the backup: %w", context.Cause(ctx))
	case from.err != nil:
		return none, &client.UnreachableError{Server: b.client.Server(), Err: from.err}
	case checked != nil:
		return none, fmt.Errorf("receive the backup: %w", checked)
	case copied != nil:
		return none, fmt.Errorf("write the backup: %w", copied)
	}
	if err := sealed.Close(); err != nil {
		return none, fmt.Errorf("write the backup: %w", err)
	}
	return head, nil
}

// watched puts the timer off with every read, and remembers an error of reading.
type watched struct {
	r    io.Reader
	idle *time.Timer
	err  error
}

// Read fails as what it reads from.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.idle.Reset(nextByteWait)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// checking is a backup that is checked while it passes.
type checking struct {
	*io.PipeWriter
	done chan struct{}
	head raftstore.BackupHead
	err  error
}

// startCheck checks what is written to it, on a goroutine of its own, and shows how far it is.
func (b backing) startCheck() *checking {
	r, w := io.Pipe()
	c := &checking{PipeWriter: w, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = func() error {
			backup, err := raftstore.ReadBackup("what came from "+b.client.Server(), r)
			if err != nil {
				return err
			}
			c.head = backup.Head()
			bar := b.progress("backup", int(c.head.SizeBytes))
			defer bar.finish()
			shown := int64(0)
			return backup.Rest(func(bytes int64) {
				bar.add(int(bytes - shown))
				shown = bytes
			})
		}()
		_ = r.CloseWithError(c.err) // never fails
	}()
	return c
}

// end says that nothing more comes, and returns what was found.
func (c *checking) end(err error) (raftstore.BackupHead, error) {
	_ = c.CloseWithError(err) // never fails; nil is the end
	<-c.done
	return c.head, c.err
}
