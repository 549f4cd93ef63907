package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// admin serves profiles on a listener of its own, on loopback only. The zero value is off.
type admin struct {
	server *http.Server
	ln     net.Listener
}

// startAdmin listens on addr, or does nothing when addr is empty. It fails when addr is taken.
func startAdmin(addr string) (*admin, error) {
	if addr == "" {
		return &admin{}, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("admin port: %w; give --admin another address", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	a := &admin{ln: ln, server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = a.server.Serve(ln) }() // ends with close; profiles are not worth a node's life
	return a, nil
}

// addr is where it listens, or "".
func (a *admin) addr() string {
	if a.ln == nil {
		return ""
	}
	return a.ln.Addr().String()
}

func (a *admin) close() {
	if a.server != nil {
		_ = a.server.Close()
	}
}
