package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/adapters/mapping"
	"holdfast/cmd/internal/client"
)

const mappingImportHelp = `Reads a CSV file and writes its rows as mappings.

The first line names the columns, in any order:
  sku                our SKU
  connection         the connection's id
  variant_id         of a Shopify shop; or
  seller_sku         of an Amazon account; or
  item_id            of NetSuite
  inventory_item_id  of the variant (optional)
  marketplace        of the seller SKU; empty: all of the account (optional)
  asin, fulfilment   of the seller SKU; merchant or amazon (optional)
  content            owned: titles and prices may be written (optional)

The whole file is checked before anything is written, here and by the server: one fault or conflict,
and nothing is. A row that is there already stays; one whose variant, seller SKU or item is another
SKU's is a conflict, unless --replace. The same file again changes nothing.`

// maxMappings is what the server takes in one call, in bytes.
const maxMappings = 16 << 20

func (a *app) mappingCommand() *cobra.Command {
	return group("mapping", "Say which SKU is which variant, listing or item",
		a.mappingImportCommand(), a.mappingExportCommand(), a.mappingAuditCommand())
}

// mappingImport is one run of `mapping import`.
type mappingImport struct {
	session
	file            string
	dryRun, replace bool
}

func (a *app) mappingImportCommand() *cobra.Command {
	var im mappingImport
	c := a.asks(&cobra.Command{
		Use:   "import FILE.csv",
		Short: "Write mappings from a CSV file; one fault and nothing is written",
		Long:  mappingImportHelp,
		Args:  one("FILE.csv"),
	}, func(ctx context.Context, s session, args []string) error {
		im.session, im.file = s, args[0]
		return im.do(ctx)
	})
	c.Flags().BoolVar(&im.dryRun, "dry-run", false, "say what would become of each row, and write nothing")
	c.Flags().BoolVar(&im.replace, "replace", false,
		"let a variant, seller SKU or item become another SKU than it is now")
	return c
}

func (im *mappingImport) do(ctx context.Context) error {
	text, err := im.readFile(im.file, maxMappings)
	if err != nil {
		return err
	}
	if err := checkMappings(im.file, text); err != nil {
		return fmt.Errorf("nothing was sent:\n%w", err)
	}
	result, err := im.put(ctx, text, im.dryRun)
	var p *client.Problem
	if errors.As(err, &p) && p.Code == "mapping-conflict" {
		// A dry run names all that stands in the way.
		if result, again := im.put(ctx, text, true); again == nil && result.Conflicts > 0 {
			return im.print(result, err)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", im.file, err)
	}
	if bad := result.Conflicts + result.Errors; bad > 0 {
		return im.print(result, &statusError{code: exitRefused,
			err: fmt.Errorf("%d of %d rows cannot be written", bad, result.Rows)})
	}
	return im.print(result, nil)
}

// checkMappings finds the faults that need no server.
func checkMappings(file string, text []byte) error {
	lines, err := mapping.ReadCSV(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var faults []error
	for _, l := range lines {
		fault := l.Fault
		if fault == nil && !errors.As(l.Row.Validate(), &fault) {
			continue
		}
		column := ""
		if fault.Column != "" {
			column = ", column " + fault.Column
		}
		if len(faults) == maxFaults {
			break
		}
		faults = append(faults, fmt.Errorf("%s: line %d%s: %s", file, l.Number, column, fault.Reason))
	}
	return errors.Join(faults...)
}

// mappingResult is what the server says became of the rows.
type mappingResult struct {
	Index     uint64               `json:"index"`
	DryRun    bool                 `json:"dry_run"`
	Rows      int                  `json:"rows"`
	Created   int                  `json:"created"`
	Changed   int                  `json:"changed"`
	Unchanged int                  `json:"unchanged"`
	Conflicts int                  `json:"conflicts"`
	Errors    int                  `json:"errors"`
	Lines     []mapping.LineReport `json:"lines"`
}

// put sends the file. The call has no deadline of its own: 100,000 rows take some seconds.
func (im *mappingImport) put(ctx context.Context, text []byte, dry bool) (r mappingResult, err error) {
	query := url.Values{}
	if dry {
		query.Set("dry_run", "true")
	}
	if im.replace {
		query.Set("replace", "true")
	}
	body, err := im.client.Stream(ctx, client.Call{Method: http.MethodPut, Path: "/v1/mappings",
		Query: query, Body: text, Type: "text/csv"})
	if err != nil {
		return r, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&r); err != nil {
		return r, fmt.Errorf("the answer is not what was expected; the rows may be written: %w", err)
	}
	return r, nil
}

// print writes the result, and returns what the command ends with.
func (im *mappingImport) print(r mappingResult, end error) error {
	if im.out.form == "json" {
		return errors.Join(im.out.json(r), end)
	}
	var rows [][]any
	const shown = 50
	for _, l := range r.Lines {
		bad := l.Status == mapping.Conflict || l.Status == mapping.Invalid
		if im.out.form == "csv" || bad && len(rows) < shown {
			rows = append(rows, []any{l.Line, mark{string(l.Status), bad}, l.SKU, l.Column, l.Detail})
		}
	}
	what := im.file
	if r.DryRun {
		what += ", dry run, nothing was changed"
	}
	im.out.line("%s: %d rows: %d created, %d changed, %d unchanged, %d conflicts, %d errors", what,
		r.Rows, r.Created, r.Changed, r.Unchanged, r.Conflicts, r.Errors)
	if len(rows) == 0 && im.out.form == "table" {
		return end
	}
	err := im.out.rows([]string{"line", "status", "sku", "column", "detail"}, rows)
	return errors.Join(err, end)
}

// readFile reads a whole file, or standard input for "-".
func (a *app) readFile(file string, most int64) ([]byte, error) {
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%s is larger than %d MiB: split it", file, most>>20)
	}
	return text, nil
}

func (a *app) mappingExportCommand() *cobra.Command {
	var connection, sku string
	c := a.asks(&cobra.Command{
		Use:   "export",
		Short: "Write all mappings as CSV, in the form that an import reads",
		Args:  cobra.NoArgs,
	}, func(ctx context.Context, s session, _ []string) error {
		body, err := s.client.Stream(ctx, client.Call{Path: "/v1/mappings", Accept: "text/csv",
			Query: filled("connection", connection, "sku", sku)})
		if err != nil {
			return err
		}
		defer body.Close()
		if _, err = io.Copy(s.stdout, body); err != nil {
			return fmt.Errorf("the export is cut off: %w", err)
		}
		return nil
	})
	c.Flags().StringVar(&connection, "connection", "", "only those of one connection")
	c.Flags().StringVar(&sku, "sku", "", "only those of one SKU")
	return c
}

// filled are the pairs of name and value that have a value.
func filled(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// mappingAudit is one run of `mapping audit`.
type mappingAudit struct {
	session
	connection, finding, propose string
}

func (a *app) mappingAuditCommand() *cobra.Command {
	var au mappingAudit
	c := a.asks(&cobra.Command{
		Use:   "audit",
		Short: "Show what is unmapped, duplicate, conflicting or orphaned, with suggestions",
		Long: "Holds what the channels list, the mapping and our SKUs against each other.\n\n" +
			"--propose FILE writes the rows that would map each item for which exactly one SKU of ours has\n" +
			"the same barcode or the same name, in the form that `mapping import` reads. Read them first.",
		Args: cobra.NoArgs,
	}, func(ctx context.Context, s session, _ []string) error {
		au.session = s
		return au.do(ctx)
	})
	c.Flags().StringVar(&au.connection, "connection", "", "only findings of one connection")
	c.Flags().StringVar(&au.finding, "finding", "",
		"only unmapped, duplicate, conflicting or orphaned ones")
	c.Flags().StringVar(&au.propose, "propose", "", "file to write the rows to that are as good as sure")
	return c
}

type auditPage struct {
	Counts   map[mapping.Kind]int `json:"counts"`
	Blocking map[string]int       `json:"blocking"`
	Cut      bool                 `json:"cut"`
	Items    []mapping.Finding    `json:"items"`
	Next     string               `json:"next,omitempty"`
}

func (au *mappingAudit) do(ctx context.Context) error {
	query := filled("connection", au.connection, "finding", au.finding)
	query.Set("limit", "1000")
	all := auditPage{Items: []mapping.Finding{}}
	for {
		var page auditPage
		if _, err := au.client.Do(ctx, client.Call{Path: "/v1/mappings/audit", Query: query},
			&page); err != nil {
			return err
		}
		page.Items = append(all.Items, page.Items...)
		all = page
		if page.Next == "" {
			break
		}
		query.Set("after", page.Next)
	}
	if err := au.proposed(all.Items); err != nil {
		return err
	}
	if au.out.form == "json" {
		return au.out.json(all)
	}
	var rows [][]any
	for _, f := range all.Items {
		rows = append(rows, []any{f.Connection, mark{string(f.Kind), f.Blocks}, f.Code, f.SKU, f.Theirs,
			f.Detail, suggested(f.Suggestions)})
	}
	au.out.line("%d unmapped, %d duplicate, %d conflicting, %d orphaned", all.Counts[mapping.Unmapped],
		all.Counts[mapping.Duplicate], all.Counts[mapping.Conflicting], all.Counts[mapping.Orphaned])
	if len(rows) == 0 && au.out.form == "table" {
		return nil
	}
	return au.out.rows([]string{"connection", "finding", "code", "sku", "theirs", "detail", "may be"},
		rows)
}

func suggested(list []mapping.Suggestion) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = s.SKU + " (" + s.By + ")"
	}
	return strings.Join(words, ", ")
}

// proposed writes the rows of --propose.
func (au *mappingAudit) proposed(found []mapping.Finding) error {
	if au.propose == "" {
		return nil
	}
	var b strings.Builder
	w := mapping.NewCSVWriter(&b)
	n := 0
	for i := range found {
		if row, ok := found[i].Proposal(); ok {
			n++
			if err := w.Write(row); err != nil {
				return fmt.Errorf("write proposals: %w", err)
			}
		}
	}
	if err := errors.Join(w.Flush(), os.WriteFile(au.propose, []byte(b.String()), 0o644)); err != nil {
		return fmt.Errorf("write proposals: %w", err)
	}
	au.out.line("%d rows are proposed in %s", n, au.propose)
	return nil
}
