package shopify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
)

// bulkCursor is the place of the reading of a catalogue: which operation, and from which byte of
// its file. The file stays for 7 days, so a start goes on where it was broken off.
type bulkCursor struct {
	ID    gid   `json:"id"`
	Round int64 `json:"round"`
	From  int64 `json:"from"`
	Left  bool  `json:"left,omitempty"` // the end was met: what is no longer listed is forgotten
}

const (
	bulkPage = 500     // variants of a page
	maxLine  = 1 << 20 // bytes of one line of the file
	bulkWait = 5 * time.Second
	// bulkLooks bounds the wait within one page; the next page waits on.
	bulkLooks = 6
)

// Catalogue reads a page of all variants out of a bulk operation: the first call begins it, those
// behind it wait for its end and then stream its file.
//
// If the process dies behind the beginning, a second operation is begun by the next: Shopify allows
// five at a time and they change nothing. It fails with a Fault, retryable while the operation
// runs.
func (a *adapter) Catalogue(ctx context.Context, cursor string) (connections.Page, error) {
	s, err := a.all.shop(a.id)
	if err != nil {
		return connections.Page{}, err
	}
	at := bulkCursor{Round: a.all.cfg.Now().UnixMilli()}
	if cursor == "" {
		if at.ID, err = s.beginBulk(ctx); err != nil {
			return connections.Page{}, err
		}
		return nextBulk(at, connections.Page{})
	}
	if err := json.Unmarshal([]byte(cursor), &at); err != nil {
		return connections.Page{}, err
	}
	if at.Left {
		_, err := mapping.SweepCatalogue(ctx, a.all.cfg.Store, s.id, at.Round)
		return connections.Page{Write: a.roundIs(at.Round)}, err
	}
	url, err := s.bulkFile(ctx, at.ID)
	if err != nil {
		return connections.Page{}, err
	}
	items, from, err := s.readBulk(ctx, url, at.From)
	if err != nil {
		return connections.Page{}, err
	}
	page := connections.Page{Rows: len(items), Write: func(_ context.Context, tx *records.Tx) error {
		mapping.KeepItems(tx, at.Round, items)
		return nil
	}}
	at.Left = from < 0
	at.From = max(from, at.From)
	return nextBulk(at, page)
}

func nextBulk(at bulkCursor, page connections.Page) (connections.Page, error) {
	next, err := json.Marshal(at)
	page.Next = string(next)
	return page, err
}

// roundIs notes which reading of the catalogue is the last whole one.
func (a *adapter) roundIs(round int64) func(context.Context, *records.Tx) error {
	return func(_ context.Context, tx *records.Tx) error {
		tx.Put(records.Record{Table: records.Cursors, Key: a.id + catalogueFeed, Value: round})
		return nil
	}
}

func (s *shop) beginBulk(ctx context.Context) (gid, error) {
	var out struct {
		Root struct {
			Bulk   *idTree     `json:"bulkOperation"`
			Errors []userError `json:"userErrors"`
		} `json:"bulkOperationRunQuery"`
	}
	if err := s.client.do(ctx, opBulk, map[string]string{"query": bulkCatalogue}, &out); err != nil {
		return "", err
	}
	if len(out.Root.Errors) > 0 {
		f := userFault(opBulk, out.Root.Errors[0])
		if out.Root.Errors[0].Code == "OPERATION_IN_PROGRESS" {
			f.retryable, f.after, f.class = true, time.Minute, classTransient
		}
		return "", f
	}
	if out.Root.Bulk == nil {
		return "", answerFault(opBulk, errors.New("no operation and no error"))
	}
	return out.Root.Bulk.ID, nil
}

// bulkFile waits for the end of an operation and returns where its file is; empty when it found
// nothing. It fails with a retryable Fault while it runs.
func (s *shop) bulkFile(ctx context.Context, id gid) (string, error) {
	for range bulkLooks {
		var out struct {
			Bulk *struct {
				Status string `json:"status"`
				Code   string `json:"errorCode"`
				URL    string `json:"url"`
			} `json:"bulkOperation"`
		}
		if err := s.client.do(ctx, opBulkState, idVars{id}, &out); err != nil {
			return "", err
		}
		if out.Bulk == nil {
			return "", refused(codeGone, "the bulk operation is no longer known")
		}
		switch out.Bulk.Status {
		case "COMPLETED":
			return out.Bulk.URL, nil
		case "CREATED", "RUNNING":
		default:
			return "", refused("bulk-"+lower(out.Bulk.Status), "the bulk operation ended: %s",
				out.Bulk.Code)
		}
		if err := s.client.cfg.Pause(ctx, s.every(bulkWait)); err != nil {
			return "", err
		}
	}
	return "", later(s.every(bulkWait), "the bulk operation is still running")
}

// readBulk reads up to bulkPage variants from a byte of the file; next is the byte behind them, or
// -1 at the end. Levels are children of variants and may stand anywhere: they are read by Levels,
// so their lines are passed over.
func (s *shop) readBulk(ctx context.Context, url string, from int64) (items []mapping.Item,
	next int64, err error) {
	if url == "" {
		return nil, -1, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, answerFault(opBulkState, withoutURL(err))
	}
	if from > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	res, err := s.client.cfg.HTTP.Do(req) // the address is signed: no token goes with it
	if err != nil {
		return nil, 0, unreachable(withoutURL(err), false)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusRequestedRangeNotSatisfiable:
		return nil, -1, nil
	case http.StatusOK:
		if _, err := io.CopyN(io.Discard, res.Body, from); err != nil {
			return nil, 0, unreachable(err, false)
		}
	case http.StatusPartialContent:
	default:
		return nil, 0, statusFault(res, false)
	}
	return s.lines(res.Body, from)
}

func (s *shop) lines(r io.Reader, next int64) (items []mapping.Item, _ int64, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for len(items) < bulkPage {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return items, -1, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, unreachable(err, false)
		}
		next += int64(len(line))
		var v struct {
			Parent string `json:"__parentId"`
			variantTree
		}
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, 0, answerFault(opBulkState, fmt.Errorf("a line of the file: %w", err))
		}
		if v.Parent == "" && v.ID.kind() == kindVariant {
			items = append(items, v.item(s.id))
		}
	}
	return items, next, nil
}

// readLine reads a line with its end. It fails when it is over maxLine.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("a line is over %d bytes", maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
