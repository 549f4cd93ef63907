package shopifytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"
)

const (
	bulkDelay      = 3 * time.Second // not documented
	bulkConcurrent = 5               // queries per app and shop since 2026-01
)

func (c *call) bulkOperationRunQuery(a args) *payload {
	running := []string{}
	for _, b := range c.shop.bulk {
		if b.status == "CREATED" || b.status == "RUNNING" {
			running = append(running, gid{"BulkOperation", b.id}.String())
		}
	}
	if len(running) >= bulkConcurrent {
		return refused(userError{code: "OPERATION_IN_PROGRESS", message: "A bulk query operation for " +
			"this app and shop is already in progress: " + strings.Join(running, ", ") + "."})
	}
	doc := parseDocument(a.text("query"))
	op, errs := doc.pick("")
	if errs != nil {
		return refused(userError{field: []string{"query"}, code: "INVALID",
			message: "Invalid bulk query: " + errs[0].Message})
	}
	if op.mutation || !hasConnection(op.root) {
		return refused(userError{field: []string{"query"}, code: "INVALID",
			message: "Bulk queries must contain at least one connection."})
	}
	b := &bulkOperation{id: c.srv.newID(), query: a.text("query"), status: "CREATED",
		created: c.act.at}
	c.shop.bulk = append(c.shop.bulk, b)
	c.shop.objects[b.id] = b
	by, s := c.app, c.shop
	c.srv.clock.After(c.srv.period(bulkDelay), func() { s.runBulk(by, b, op) })
	shown := *b // a later change of the operation does not change this answer
	return done(map[string]any{"bulkOperation": &shown})
}

func hasConnection(p *plan) bool {
	for _, f := range p.fields {
		if f.page {
			return true
		}
		for _, sub := range f.sub {
			if hasConnection(sub) {
				return true
			}
		}
	}
	return false
}

// runBulk executes the query at one moment and stores it as JSON lines.
func (s *shop) runBulk(by *app, b *bulkOperation, op *operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.status != "CREATED" {
		return
	}
	a := s.begin("system")
	c := &call{srv: s.srv, shop: s, app: by, version: versions[len(versions)-1], act: a,
		vars: map[string]any{bulkVariable: true}}
	c.object(op.root, s)
	var tree map[string]any
	dec := json.NewDecoder(bytes.NewReader(c.out))
	dec.UseNumber()
	b.completed = a.at
	if err := dec.Decode(&tree); err != nil || len(c.errs) > 0 {
		b.status, b.code = "FAILED", "INTERNAL_SERVER_ERROR"
	} else {
		b.status = "COMPLETED"
		b.flatten(tree, "")
	}
	a.tell("bulk_operations/finish", b)
	s.finish(a)
}

// bulkVariable among the variables of a call says that its connections have no pages. No client
// can send it: it is no name.
const bulkVariable = "\x00bulk"

// flatten writes the nodes of the connections in an object, each on its line and after it its own
// nodes with their __parentId, and takes them out of the object. The parent is the next node above,
// also where an object lies between them.
func (b *bulkOperation) flatten(object map[string]any, parent string) {
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		sub, ok := object[k].(map[string]any)
		if !ok {
			continue
		}
		nodes, ok := nodesOf(sub)
		if !ok {
			b.flatten(sub, parent)
			continue
		}
		delete(object, k)
		for _, n := range nodes {
			b.node(n, parent)
		}
	}
}

func (b *bulkOperation) node(n map[string]any, parent string) {
	rest := &bulkOperation{}
	id, _ := n["id"].(string)
	rest.flatten(n, id)
	if parent != "" {
		n["__parentId"] = parent
	} else {
		b.roots++
	}
	line, err := json.Marshal(n)
	if err != nil {
		return
	}
	b.data = append(append(append(b.data, line...), '\n'), rest.data...)
	b.objects += 1 + rest.objects
}

// nodesOf returns the nodes of a connection.
func nodesOf(m map[string]any) (nodes []map[string]any, ok bool) {
	if list, is := m["nodes"].([]any); is {
		for _, n := range list {
			if o, is := n.(map[string]any); is {
				nodes = append(nodes, o)
			}
		}
		return nodes, true
	}
	list, is := m["edges"].([]any)
	for _, e := range list {
		if o, is := e.(map[string]any); is {
			if n, is := o["node"].(map[string]any); is {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes, is
}

func bulkFields() fields {
	size := func(f func(*bulkOperation) int64) resolver {
		return get(func(b *bulkOperation) any { return decimal(f(b)) })
	}
	return fields{
		"id":              get(func(b *bulkOperation) any { return gid{"BulkOperation", b.id} }),
		"status":          get(func(b *bulkOperation) any { return b.status }),
		"errorCode":       get(func(b *bulkOperation) any { return text(b.code) }),
		"type":            get(func(*bulkOperation) any { return "QUERY" }),
		"query":           get(func(b *bulkOperation) any { return b.query }),
		"createdAt":       get(func(b *bulkOperation) any { return b.created }),
		"completedAt":     get(func(b *bulkOperation) any { return b.completed }),
		"objectCount":     size(func(b *bulkOperation) int64 { return b.objects }),
		"rootObjectCount": size(func(b *bulkOperation) int64 { return b.roots }),
		"fileSize": get(func(b *bulkOperation) any {
			if b.status != "COMPLETED" {
				return nil
			}
			return decimal(int64(len(b.data)))
		}),
		"partialDataUrl": get(func(*bulkOperation) any { return nil }),
		"url": on(func(c *call, b *bulkOperation, _ args) any {
			if b.status != "COMPLETED" || len(b.data) == 0 {
				return nil
			}
			return fmt.Sprintf("%s/_bulk/%d.jsonl", c.srv.Endpoint(c.shop.cfg.Name), b.id)
		}),
	}
}

// download serves the result of a bulk operation, or a range of it. It needs no token: its address is
// a secret.
func (s *shop) download(w http.ResponseWriter, r *http.Request, path string) {
	id := strings.TrimSuffix(strings.TrimPrefix(path, "/_bulk/"), ".jsonl")
	s.mu.Lock()
	b, ok := find[*bulkOperation](s, id)
	var data []byte
	if ok {
		data = b.data
	}
	s.mu.Unlock()
	if !ok {
		http.Error(w, "gone", http.StatusNotFound)
		return
	}
	w.Header()["Content-Type"] = []string{"application/jsonl"}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (c *call) metafieldDefinitionCreate(a args) *payload {
	in := a.object("definition")
	d := &metafieldDefinition{id: c.srv.newID(), namespace: c.namespace(in.text("namespace")),
		key: in.text("key"), name: in.text("name"), kind: in.text("type"), owner: in.text("ownerType"),
		unique: in.text("type") == "id" ||
			in.object("capabilities").object("uniqueValues").flag("enabled")}
	if c.shop.definition(d.owner, d.namespace, d.key) != nil {
		return refused(userError{[]string{"definition", "key"}, "Key is in use for " +
			strings.ToLower(d.owner) + " metafields on the '" + d.namespace + "' namespace.", "TAKEN"})
	}
	c.shop.definitions = append(c.shop.definitions, d)
	c.shop.objects[d.id] = d
	return done(map[string]any{"createdDefinition": d})
}
