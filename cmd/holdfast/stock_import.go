package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
)

const importHelp = `Reads a CSV file and sends its rows as changes of stock, in order.

The first row names the columns, in any order:
  sku       the SKU, 1 to 255 bytes
  location  the location's id
  set       units on hand, 0 to 1000000000; or
  adjust    units more or less, -1000000000 to 1000000000 and not 0
  source    who says so; needed where another system is the location's master (optional)
  as_of     for set: the moment of the count, 2026-01-31T14:00:00Z; default now (optional)
  reason    for adjust: why (optional)

The whole file is checked before anything is sent; a fault names its row and column. Rows are sent
in chunks under keys made from the file's content, so the same file again within 24 hours has no
second effect: the server answers what it answered the first time, refusals too. To apply the same
file again on purpose give it another name with --run. --rejects FILE writes the refused rows to a
file of the same form, to be mended and imported by itself.`

// The bounds of one request are the server's: 10,000 changes and 2 MiB.
const (
	chunkRows  = 10_000
	chunkBytes = 1_900_000 // leaves room for the frame around the changes
	maxFile    = 512 << 20 // bytes; some five million rows, read at once
)

// importing is one run of `stock import`.
type importing struct {
	session
	file    string
	dryRun  bool
	run     string // makes the keys of one run differ from another's
	rejects string
	retry   client.Retry
}

func (a *app) stockImportCommand() *cobra.Command {
	var im importing
	c := a.asks(&cobra.Command{
		Use:   "import FILE.csv",
		Short: "Set or adjust stock from a CSV file; the same file twice has one effect",
		Long:  importHelp,
		Args:  one("FILE.csv"),
	}, func(ctx context.Context, s session, args []string) error {
		im.session, im.file = s, args[0]
		return im.do(ctx)
	})
	c.Flags().BoolVar(&im.dryRun, "dry-run", false,
		"check the file, and its names against the server, and change nothing")
	c.Flags().StringVar(&im.run, "run", "",
		"name of this run: the same file counts again under another name")
	c.Flags().DurationVar(&im.retry.For, "retry-for", 30*time.Second,
		"how long to repeat a request that did not happen or whose outcome is unknown")
	c.Flags().StringVar(&im.rejects, "rejects", "", "file to write refused rows to")
	return c
}

func (im importing) do(ctx context.Context) error {
	text, err := im.read()
	if err != nil {
		return err
	}
	rows, err := parseStock(im.file, text)
	if err != nil {
		return fmt.Errorf("nothing was sent:\n%w", err)
	}
	if im.dryRun {
		return im.tryOut(ctx, rows)
	}
	chunks, err := im.chunks(text, rows)
	if err != nil {
		return err
	}
	return im.send(ctx, chunks, len(rows))
}

func (im importing) read() ([]byte, error) {
	in := im.stdin
	if im.file != "-" {
		f, err := os.Open(im.file)
		if err != nil {
			return nil, fmt.Errorf("stock file: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("stock file %s: %w", im.file, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("stock file %s is larger than %d MiB: split it", im.file, maxFile>>20)
	}
	return text, nil
}

// chunk is one request of an import.
type chunk struct {
	rows []stockRow
	body []byte
	key  string
}

// chunks cuts the rows into requests. A key is a hash of the whole file, of the run's name and of
// the request, so that a rerun sends the same requests under the same keys and any edit gives new
// ones.
func (im importing) chunks(text []byte, rows []stockRow) ([]chunk, error) {
	file := sha256.Sum256(append(append([]byte(im.run), 0), text...))
	var all []chunk
	for len(rows) > 0 {
		n, size := 0, 0
		var changes []client.StockChange
		for n < len(rows) && n < chunkRows {
			one, err := json.Marshal(rows[n].Change)
			if err != nil {
				return nil, fmt.Errorf("encode row %d: %w", rows[n].Row, err)
			}
			if n > 0 && size+len(one)+1 > chunkBytes {
				break
			}
			size += len(one) + 1
			changes = append(changes, rows[n].Change)
			n++
		}
		body, err := json.Marshal(client.StockChanges{Changes: changes})
		if err != nil {
			return nil, fmt.Errorf("encode a chunk: %w", err)
		}
		sum := sha256.Sum256(append(file[:], body...))
		key := fmt.Sprintf("import-%s-%d", hex.EncodeToString(sum[:16]), len(all)+1)
		all = append(all, chunk{rows: rows[:n], body: body, key: key})
		rows = rows[n:]
	}
	return all, nil
}

// importReport is what an import came to. Its counts are of all rows, and add up to Rows; Replayed
// says how many of each were done by an earlier import of the file and not again.
type importReport struct {
	File string `json:"file"`
	Rows int    `json:"rows"`
	importCounts
	Replayed importCounts `json:"replayed"`
	Again    int          `json:"replayed_chunks"`
	Chunks   int          `json:"chunks"`
	Results  []rowResult  `json:"results"`
}

// importCounts are numbers of rows by what became of them.
type importCounts struct {
	Applied   int `json:"applied"`
	Unchanged int `json:"unchanged"`
	Stale     int `json:"stale"`
	Refused   int `json:"refused"`
}

func (n *importCounts) add(status string) {
	switch status {
	case "applied":
		n.Applied++
	case "unchanged":
		n.Unchanged++
	case "stale":
		n.Stale++
	default:
		n.Refused++
	}
}

// rowResult is what became of one row.
type rowResult struct {
	Row      int    `json:"row"`
	SKU      string `json:"sku"`
	Location string `json:"location"`
	Status   string `json:"status"`
	Code     string `json:"code,omitempty"`
	OnHand   int64  `json:"on_hand"`
	Replayed bool   `json:"replayed,omitempty"`
	change   client.StockChange
}

func (im importing) send(ctx context.Context, chunks []chunk, total int) error {
	report := importReport{File: im.file, Rows: total, Chunks: len(chunks)}
	bar := im.progress("rows", total)
	for i, c := range chunks {
		var res client.StockResults
		reply, err := client.DoRetry(ctx, []*client.Client{im.client}, 0, im.retry,
			client.Call{Method: "POST", Path: "/v1/stock", Body: c.body, Key: c.key}, &res)
		if err == nil && len(res.Results) != len(c.rows) {
			err = fmt.Errorf("%d results for %d rows", len(res.Results), len(c.rows))
		}
		if err != nil {
			bar.finish()
			return fmt.Errorf("%s: %d of %d rows are in, stopped in rows %d to %d: %w\n"+
				"  the same command again goes on where this one stopped", im.file,
				total-left(chunks[i:]), total, c.rows[0].Row, c.rows[len(c.rows)-1].Row, err)
		}
		report.add(c.rows, res.Results, reply.Replayed)
		bar.add(len(c.rows))
	}
	bar.finish()
	return im.finish(report)
}

func left(chunks []chunk) (rows int) {
	for _, c := range chunks {
		rows += len(c.rows)
	}
	return rows
}

// add counts the results of one chunk; replayed says that they are of an earlier import.
func (r *importReport) add(rows []stockRow, results []client.StockResult, replayed bool) {
	if replayed {
		r.Again++
	}
	for i, res := range results {
		c := rows[i].Change
		r.importCounts.add(res.Status)
		if replayed {
			r.Replayed.add(res.Status)
		}
		r.Results = append(r.Results, rowResult{Row: rows[i].Row, SKU: c.SKU, Location: c.Location,
			Status: res.Status, Code: res.Code, OnHand: res.OnHand, Replayed: replayed, change: c})
	}
}

func (im importing) finish(r importReport) error {
	if err := im.print(r); err != nil {
		return err
	}
	if r.Refused == 0 {
		return nil
	}
	what := "define what is missing and import those rows in a file of their own " +
		"(--rejects FILE writes it)"
	if im.rejects != "" {
		if err := writeRejects(im.rejects, r); err != nil {
			return err
		}
		what = "mend " + im.rejects + " and import it"
	}
	return &statusError{code: exitRefused,
		err: fmt.Errorf("%d of %d rows were refused\n  what to do: %s", r.Refused, r.Rows, what)}
}

func (im importing) print(r importReport) error {
	switch im.out.form {
	case "json":
		return im.out.json(r)
	case "csv":
		var rows [][]any
		for _, x := range r.Results {
			rows = append(rows, []any{x.Row, x.SKU, x.Location, x.Status, x.Code, x.OnHand})
		}
		return im.out.rows([]string{"row", "sku", "location", "status", "code", "on_hand"}, rows)
	}
	im.out.line("%s: %d rows: %s, %s, %s, %s", r.File, r.Rows,
		count(r.Applied, "applied", r.Replayed.Applied),
		count(r.Unchanged, "unchanged", r.Replayed.Unchanged),
		count(r.Stale, "stale", r.Replayed.Stale), count(r.Refused, "refused", r.Replayed.Refused))
	if r.Again > 0 {
		im.out.line("%d of %d chunks had been imported before and had no second effect (--run NAME "+
			"applies them again)", r.Again, r.Chunks)
	}
	if r.Refused == 0 {
		return nil
	}
	const shown = 20
	var rows [][]any
	for _, x := range r.Results {
		if x.Status == "refused" && len(rows) < shown {
			rows = append(rows, []any{x.Row, x.SKU, x.Location, mark{text: x.Code, bad: true}})
		}
	}
	return im.out.rows([]string{"row", "sku", "location", "refused"}, rows)
}

// count is a number of rows with its word, and how many of them are of an earlier import.
func count(n int, word string, replayed int) string {
	if replayed == 0 {
		return fmt.Sprintf("%d %s", n, word)
	}
	return fmt.Sprintf("%d %s (%d replayed)", n, word, replayed)
}

// writeRejects writes the refused rows in the form that an import reads.
func writeRejects(path string, r importReport) error {
	var b strings.Builder
	var rows [][]any
	for _, x := range r.Results {
		if x.Status != "refused" {
			continue
		}
		c := x.change
		rows = append(rows, []any{c.SKU, c.Location, number(c.Set), number(c.Adjust), c.Source, c.AsOf,
			c.Reason})
	}
	if err := (printer{w: &b, form: "csv"}).rows(stockColumns, rows); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write refused rows: %w", err)
	}
	return nil
}

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// tryOut asks the server for every SKU and location of the file and says what an import would do.
func (im importing) tryOut(ctx context.Context, rows []stockRow) error {
	report := importReport{File: im.file, Rows: len(rows)}
	now, known := map[string]map[string]int64{}, map[string]bool{}
	bar := im.progress("rows", len(rows))
	defer bar.finish()
	for _, r := range rows {
		c := r.Change
		res := rowResult{Row: r.Row, SKU: c.SKU, Location: c.Location, Status: "applied", change: c}
		at, err := im.look(ctx, now, known, c)
		var p *client.Problem
		switch {
		case errors.As(err, &p) && p.Refused() && strings.HasPrefix(p.Code, "unknown-"):
			res.Status, res.Code = "refused", p.Code
			report.Refused++
		case err != nil:
			return fmt.Errorf("%s: %d rows are in order; asking the server failed: %w", im.file,
				len(rows), err)
		case c.Set != nil && at[c.Location] == *c.Set:
			res.Status, res.OnHand = "unchanged", *c.Set
			report.Unchanged++
		case c.Set != nil:
			at[c.Location], res.OnHand = *c.Set, *c.Set
			report.Applied++
		default:
			at[c.Location] += *c.Adjust
			res.OnHand = at[c.Location]
			report.Applied++
		}
		report.Results = append(report.Results, res)
		bar.add(1)
	}
	bar.finish()
	im.out.line("dry run, nothing was changed; an import would give")
	return im.finish(report)
}

// look returns what is on hand of a row's SKU, by location, as far as this run has asked. The error
// of an unknown name is the server's *client.Problem.
func (im importing) look(ctx context.Context, now map[string]map[string]int64,
	known map[string]bool, c client.StockChange) (map[string]int64, error) {
	retry := client.Retry{For: 5 * time.Second}
	ask := func(path string, out any) error {
		call := client.Call{Path: path}
		_, err := client.DoRetry(ctx, []*client.Client{im.client}, 0, retry, call, out)
		return err
	}
	if !known[c.Location] {
		if err := ask("/v1/locations/"+client.Segment(c.Location), nil); err != nil {
			return nil, err
		}
		known[c.Location] = true
	}
	if at, ok := now[c.SKU]; ok {
		return at, nil
	}
	var stock client.Stock
	if err := ask("/v1/stock/"+client.Segment(c.SKU), &stock); err != nil {
		return nil, err
	}
	at := map[string]int64{}
	for _, l := range stock.Locations {
		at[l.Location] = l.OnHand
	}
	now[c.SKU] = at
	return at, nil
}
