package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// newFakeServer answers from the files of a folder. The answer to GET /v1/stock/A is in the file
// GET_v1_stock_A: a line with the status, lines with headers, an empty line, the body. The second
// answer to the same call is in the file with .2 at its end, and so on; the last one stays. What
// was asked is written to the file `log`, with key and body.
func newFakeServer(dir string) *httptest.Server {
	var mu sync.Mutex
	asked := map[string]int{}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		name := r.Method + strings.ReplaceAll(r.URL.EscapedPath(), "/", "_")
		mu.Lock()
		asked[name]++
		line := strings.Join([]string{r.Method, r.URL.RequestURI(), r.Header.Get("Idempotency-Key"),
			r.Header.Get("Last-Event-ID"), string(body)}, " ")
		log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, _ = io.WriteString(log, strings.Join(strings.Fields(line), " ")+"\n")
			_ = log.Close()
		}
		n := asked[name]
		mu.Unlock()
		for ; n > 0; n-- {
			path := filepath.Join(dir, name)
			if n > 1 {
				path += "." + strconv.Itoa(n)
			}
			if text, err := os.ReadFile(path); err == nil {
				answer(w, string(text))
				return
			}
		}
		answer(w, "404\nContent-Type: application/problem+json\n\n"+
			`{"type":"/problems/not-found","title":"No such file: `+name+`","status":404,"code":""}`)
	}))
}

func answer(w http.ResponseWriter, text string) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := bufio.NewScanner(strings.NewReader(head))
	lines.Scan()
	if strings.TrimSpace(lines.Text()) == "hang-up" {
		panic(http.ErrAbortHandler)
	}
	status, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
	if err != nil {
		status = http.StatusTeapot
	}
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
