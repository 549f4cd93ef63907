package orders

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/adapters/mapping"
	"holdfast/engine"
)

var update = flag.Bool("update", false, "write what the scripts answer into them")

// TestScripts runs testdata/*.txt: commands behind "> ", and below each what it changed. A line
// that begins with # is a remark.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("the script answers otherwise:\n%s", firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			from := max(0, i-6)
			return strings.Join(g[from:min(i+6, len(g))], "\n") + "\n--- wanted ---\n" +
				strings.Join(w[min(from, len(w)):min(i+6, len(w))], "\n")
		}
	}
	return "it is shorter"
}

func runScript(t *testing.T, script string) string {
	w := newWorld(t)
	var out strings.Builder
	before := w.picture()
	for _, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "#") || line == "":
			out.WriteString(line + "\n")
		case strings.HasPrefix(line, "> "):
			out.WriteString(line + "\n")
			if said := w.run(strings.Fields(line[2:])); said != "" {
				out.WriteString("  " + said + "\n")
			}
			after := w.picture()
			for _, now := range after {
				if !slices.Contains(before, now) {
					out.WriteString("  " + now + "\n")
				}
			}
			for _, was := range before {
				if strings.HasPrefix(was, "open ") && !slices.Contains(after, was) {
					out.WriteString("  closed" + strings.TrimPrefix(was, "open") + "\n")
				}
			}
			before = after
			w.sound()
		}
	}
	return out.String()
}

// picture is all that a script can see change, a line each.
func (w *world) picture() (all []string) {
	for _, r := range w.list(1) {
		o := w.order(r.Key)
		line := "order " + o.ID + " " + string(o.State)
		if len(o.Waits) > 0 {
			line += " waits " + strings.Join(o.Waits, ",")
		}
		if len(o.Holds) > 0 {
			line += " holds " + strings.Join(o.Holds, ",")
		}
		if o.Keep != "" {
			line += " keeps " + o.Keep
		}
		for i := range o.Lines {
			l := &o.Lines[i]
			line += fmt.Sprintf(" | %s %s%s %d", l.Ref, l.SKU, first(l.Untracked, l.Unmapped), o.toShip(l))
			for _, f := range []struct {
				word string
				n    int64
			}{{"shipped", l.Shipped}, {"cancelled", l.Cancelled}, {"lost", l.Lost}, {"returned", l.Returned}} {
				if f.n != 0 {
					line += fmt.Sprintf(" %s %d", f.word, f.n)
				}
			}
		}
		all = append(all, line)
	}
	all = append(all, w.balances()...)
	for _, s := range w.tallies() {
		all = append(all, "counted "+s)
	}
	for _, s := range w.tasks() {
		all = append(all, "task "+s)
	}
	for _, s := range w.open() {
		all = append(all, "open "+s)
	}
	return all
}

// run does one command and returns what it said.
func (w *world) run(words []string) string {
	a := arguments{words: words[1:]}
	var err error
	switch words[0] {
	case "stock":
		w.stock(words[1], words[2], a.int(2))
	case "map":
		w.mapVariant(a.int(0), words[2])
		err = w.book.Released(w.ctx, a.get("order"))
		if err == nil {
			err = w.book.Mapped(w.ctx, mapping.VariantRef("shop", a.int(0)))
		}
	case "define":
		w.store.Define(w.t, &engine.DefineSKU{SKU: engine.Name(words[1])})
	case "account":
		w.setAccount(&a)
	case "route":
		w.route.Rule, w.route.Why = "r1", "as scripted"
		w.route.Locations, w.route.Hold, w.route.MCF = a.list("to"), a.get("hold"), a.has("mcf")
	case "receive":
		return w.receive(&a)
	case "attach":
		_, err = w.book.Attach(w.ctx, words[1], Attachment{System: a.get("by"),
			Externals: []External{{a.get("by"), "order", a.get("as")}}, Shipments: a.shipments()})
	case "ship":
		s := Shipment{By: a.get("by"), Key: a.get("package"), Tracking: a.get("tracking"),
			Location: a.get("from"), Lines: a.units("lines")}
		_, err = w.book.Ship(w.ctx, words[1], s)
	case "cancel":
		_, err = w.book.Cancel(w.ctx, words[1], CancelRequest{By: a.get("by"), Reason: a.get("reason"),
			Restock: a.has("restock"), Buyer: a.has("buyer")})
	case "decide":
		_, err = w.book.Decide(w.ctx, words[1], "clerk", a.has("accept"))
	case "recalled":
		_, err = w.book.Recalled(w.ctx, words[1], "amz", a.has("off"))
	case "return":
		_, err = w.book.Return(w.ctx, words[1], Return{ID: a.get("id"), By: a.get("by"),
			State: a.get("state"), Disposition: a.get("disposition"), Location: a.get("to"),
			Lines: a.units("lines")})
	case "refund":
		_, err = w.book.Refund(w.ctx, words[1], Refund{ID: a.get("id"), By: a.get("by"),
			Amount: first(a.get("amount"), "5.00")})
	case "move":
		_, err = w.book.MoveTo(w.ctx, words[1], "clerk", a.get("to"))
	case "substitute":
		_, err = w.book.Substitute(w.ctx, words[1], Substitution{By: "clerk", SKU: a.get("sku"),
			With: a.get("with"), Location: a.get("at")})
	case "assign":
		_, err = w.book.Assign(w.ctx, words[1], a.assigned(), !a.has("soft"))
	case "announce":
		err = w.book.Announce(w.ctx, words[1])
	case "reassess":
		_, err = w.book.Reassess(w.ctx, words[1])
	default:
		w.t.Fatalf("no command %q", words[0])
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return ""
}

func (w *world) setAccount(a *arguments) {
	acc := w.account(a.words[0])
	acc.Placement = Placement(a.get("placement"))
	acc.TestOrders = a.has("tests")
	acc.Mode = first(a.get("mode"), acc.Mode)
	if n := a.get("places"); n != "" {
		acc.Places, _ = strconv.Atoi(n)
	}
	if n := a.get("from"); n != "" {
		k, _ := strconv.Atoi(n)
		acc.OrdersFrom = start.Add(time.Duration(k) * time.Second)
	}
}

func (w *world) receive(a *arguments) string {
	s, v := a.snapshot()
	r, err := w.book.Receive(w.ctx, v, s)
	switch {
	case err != nil:
		return "error: " + err.Error()
	case r.Seen:
		return "seen"
	case r.Old:
		return "old"
	case r.Ignored != "":
		return "ignored: " + r.Ignored
	case r.New:
		return "new"
	}
	return ""
}

// arguments are the words of a command: name=value, or only a name.
type arguments struct{ words []string }

func (a *arguments) int(i int) int64 {
	n, err := strconv.ParseInt(a.words[i], 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (a *arguments) has(name string) bool { return slices.Contains(a.words, name) }

func (a *arguments) all(name string) (values []string) {
	for _, w := range a.words {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			values = append(values, v)
		}
	}
	return values
}

func (a *arguments) get(name string) string {
	if v := a.all(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (a *arguments) list(name string) []string {
	if v := a.get(name); v != "" {
		return strings.Split(v, ",")
	}
	return nil
}

// units reads L1:2,L2:1.
func (a *arguments) units(name string) []ShipmentLine { return unitsOf(a.get(name)) }

func unitsOf(text string) (all []ShipmentLine) {
	for _, u := range strings.Split(text, ",") {
		if ref, n, ok := strings.Cut(u, ":"); ok {
			qty, err := strconv.ParseInt(n, 10, 64)
			if err != nil {
				panic(err)
			}
			all = append(all, ShipmentLine{Ref: ref, Qty: qty})
		}
	}
	return all
}

// fields reads key:value/key:value.
func fields(text string) map[string]string {
	m := map[string]string{}
	for _, f := range strings.Split(text, "/") {
		k, v, _ := strings.Cut(f, ":")
		m[k] = v
	}
	return m
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// shipments reads ship=F1/from:main/L1:2/tracking:T.
func (a *arguments) shipments() (all []Shipment) {
	for _, v := range a.all("ship") {
		key, rest, _ := strings.Cut(v, "/")
		f := fields(rest)
		s := Shipment{Key: key, Location: f["from"], Tracking: f["tracking"]}
		for _, part := range strings.Split(rest, "/") {
			if !strings.HasPrefix(part, "from:") && !strings.HasPrefix(part, "tracking:") {
				s.Lines = append(s.Lines, unitsOf(part)...)
			}
		}
		all = append(all, s)
	}
	return all
}

func (a *arguments) assigned() (all []Assigned) {
	for _, v := range a.all("line") {
		ref, rest, _ := strings.Cut(v, "/")
		f := fields(rest)
		all = append(all, Assigned{Ref: ref, Qty: number(f["qty"]), Location: f["at"], Group: f["group"]})
	}
	return all
}

// snapshot reads an order: its id, at=SECONDS, line=L1/v:1/qty:2/ordered:3/…
func (a *arguments) snapshot() (Snapshot, Delivery) {
	home := first(a.get("home"), "shop")
	at := number(a.get("at"))
	s := Snapshot{Home: External{System: home, Kind: "order", ID: a.words[0]}, Of: a.get("of"),
		Name: "#" + a.words[0], CreatedAt: start.Add(time.Duration(number(a.get("created"))) * time.Second),
		UpdatedAt: start.Add(time.Duration(at) * time.Second), Test: a.has("test"),
		Pending: a.has("pending"), RecordOnly: a.has("record-only"), FulfilledBy: a.get("by"),
		Currency: "USD", Total: "10.00", Shipments: a.shipments()}
	if c := a.get("cancelled"); c != "" {
		s.Cancelled = &Cancellation{At: s.UpdatedAt, Reason: "CUSTOMER", Restock: c == "restock"}
	}
	for _, v := range a.all("line") {
		ref, rest, _ := strings.Cut(v, "/")
		f := fields(rest)
		l := SnapshotLine{Ref: ref, VariantID: number(f["v"]), SellerSKU: f["seller"], Qty: number(f["qty"]),
			Ordered: number(f["ordered"]), NotStock: f["not"], Location: f["at"], SKU: f["sku"],
			Price: "5.00", PointOfSale: strings.Contains(rest, "pos"),
			Backorder: strings.Contains(rest, "backorder")}
		if n, ok := f["left"]; ok {
			left := number(n)
			l.ToShip = &left
		}
		s.Lines = append(s.Lines, l)
	}
	for _, v := range a.all("restock") {
		id, rest, _ := strings.Cut(v, "/")
		f := fields(rest)
		s.Restocks = append(s.Restocks, Restock{Refund: id, Ref: f["line"], Qty: number(f["qty"]),
			Kind: f["kind"], Location: f["at"]})
		s.Refunds = append(s.Refunds, Refund{ID: id, At: s.UpdatedAt})
	}
	for _, v := range a.all("return") {
		id, rest, _ := strings.Cut(v, "/")
		f := fields(rest)
		s.Returns = append(s.Returns, Return{ID: id, Of: f["of"], State: f["state"], Disposition: f["disposition"],
			Location: f["to"], Lines: []ShipmentLine{{Ref: f["line"], Qty: number(f["qty"])}}})
	}
	return s, Delivery{Connection: home, Topic: "orders/updated", ID: a.get("webhook")}
}
