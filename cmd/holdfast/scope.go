package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/adapters/scope"
	"holdfast/cmd/internal/client"
)

const scopeHelp = `Says what each flow will and will not do: with what the server's connections list, as their starts
have read it; or, with files, before any credential and without a server.

  --shopify   the products export of the shop's admin (CSV)
  --amazon    REGION=FILE: the report GET_MERCHANT_LISTINGS_ALL_DATA of one marketplace (tab-separated);
              once for each marketplace, such as --amazon US=us.txt --amazon DE=de.txt
  --netsuite  an export of the items, from a list or a saved search (CSV)

Of files one is enough; what needs two of them is left out. Nothing is written and nothing is sent.`

// maxExport is the most of one export file: some two million rows.
const maxExport = 1 << 30

// scoping is one run of `scope`.
type scoping struct {
	*app
	shopify, netsuite string
	amazon            []string
}

func (a *app) scopeCommand() *cobra.Command {
	sc := scoping{app: a}
	c := a.asks(&cobra.Command{
		Use:   "scope",
		Short: "Say what each flow will and will not do, from connections or from export files",
		Long:  scopeHelp,
		Args:  cobra.NoArgs,
	}, sc.do)
	c.Flags().StringVar(&sc.shopify, "shopify", "", "products export of Shopify")
	c.Flags().StringArrayVar(&sc.amazon, "amazon", nil, "REGION=FILE, listings report of one marketplace")
	c.Flags().StringVar(&sc.netsuite, "netsuite", "", "export of the items of NetSuite")
	return c
}

func (sc *scoping) do(ctx context.Context, s session, _ []string) error {
	report, err := sc.report(ctx, s)
	if err != nil {
		return err
	}
	switch s.out.form {
	case "json":
		return s.out.json(report)
	case "csv":
		return printFindings(s.out, report.Findings)
	}
	return printScope(s.out, report)
}

// report is made from files if there are any, and by the server if not.
func (sc *scoping) report(ctx context.Context, s session) (*scope.Report, error) {
	if sc.shopify == "" && sc.netsuite == "" && len(sc.amazon) == 0 {
		var report scope.Report
		_, err := s.client.Do(ctx, client.Call{Path: "/v1/scope"}, &report)
		return &report, err
	}
	in, err := sc.input()
	if err != nil {
		return nil, err
	}
	return scope.Survey(in)
}

func (sc *scoping) input() (in scope.Input, err error) {
	read := func(name string) (*scope.File, error) {
		if name == "" {
			return nil, nil
		}
		text, err := sc.readFile(name, maxExport)
		return &scope.File{Name: name, Text: text}, err
	}
	if in.Shopify, err = read(sc.shopify); err != nil {
		return in, err
	}
	if in.NetSuite, err = read(sc.netsuite); err != nil {
		return in, err
	}
	seen := map[string]bool{}
	for _, pair := range sc.amazon {
		region, name, ok := strings.Cut(pair, "=")
		if !ok || region == "" || name == "" || seen[region] {
			return in, usagef("--amazon %q must be REGION=FILE, each region once", pair)
		}
		seen[region] = true
		f, err := read(name)
		if err != nil {
			return in, err
		}
		in.Amazon = append(in.Amazon, scope.Region{Name: region, File: *f})
	}
	return in, nil
}

// printScope writes the tables for a person.
func printScope(out printer, r *scope.Report) error {
	if s := r.Shopify; s != nil {
		out.line("Shopify: %d variants; %d without SKU, %d duplicate, %d gift cards, %d not shipped, "+
			"%d untracked, %d not in NetSuite", s.Variants, s.WithoutSKU, s.Duplicates, s.GiftCards,
			s.NotShipped, s.Untracked, s.NotInERP)
		if len(s.Markets) > 0 {
			out.line("  markets with prices of their own: %s", strings.Join(s.Markets, ", "))
		}
	}
	if n := r.NetSuite; n != nil {
		out.line("NetSuite: %d items; %d kits, %d no stock, %d duplicate, %d not in Shopify%s", n.Items,
			n.Kits, n.NotStock, n.Duplicates, n.NotInShop, currenciesOf(n.Currencies))
	}
	var rows [][]any
	for _, a := range r.Regions {
		rows = append(rows, []any{a.Region, a.Currency, a.FBA, a.FBM, a.Both, a.Neither, a.Listings,
			a.Mapped, a.Unmapped, a.ToConfirm, a.Duplicates, a.KitsFBM, a.Inactive})
	}
	if len(rows) > 0 {
		out.line("Amazon: FBA, FBM, both and neither are of %d SKUs; the rest are listings", r.SKUs)
		if err := out.rows([]string{"region", "currency", "FBA", "FBM", "both", "neither", "listings",
			"mapped", "unmapped", "to confirm", "duplicate", "kits FBM", "inactive"}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, f := range r.Flows {
		for _, part := range []struct {
			word string
			list []string
		}{{"will", f.Will}, {"will not", f.Wont}, {"needs", f.Needs}} {
			for _, text := range part.list {
				rows = append(rows, []any{f.ID, f.Name, part.word, text})
			}
		}
	}
	if err := out.rows([]string{"flow", "what", "", "how much"}, rows); err != nil {
		return err
	}
	return someFindings(out, r)
}

func currenciesOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "; currencies " + strings.Join(list, ", ")
}

// someFindings shows the first of each code, because thousands are of no use on a screen.
func someFindings(out printer, r *scope.Report) error {
	const shown = 5
	count := map[string]int{}
	var first []scope.Finding
	for _, f := range r.Findings {
		k := f.Side + f.Region + f.Code
		if count[k]++; count[k] <= shown {
			first = append(first, f)
		}
	}
	if len(first) == 0 {
		return nil
	}
	more := ""
	if r.Cut {
		more = "at least "
	}
	out.line("%s%d findings, the first of each kind (-o csv writes all):", more, len(r.Findings))
	return printFindings(out, first)
}

func printFindings(out printer, all []scope.Finding) error {
	var rows [][]any
	for _, f := range all {
		line := ""
		if f.Line > 0 {
			line = fmt.Sprint(f.Line)
		}
		rows = append(rows, []any{f.Side, f.Region, f.Code, f.SKU, f.Theirs, f.ASIN, line, f.Detail})
	}
	return out.rows([]string{"side", "region", "code", "sku", "theirs", "asin", "line", "detail"}, rows)
}
