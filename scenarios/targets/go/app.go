// Package main: the application that the servers in this directory serve. Each is built from its own file and this one, by
// ci/install-targets.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var (
	address    = flag.String("listen", "127.0.0.1:8080", "where to listen")
	pidFile    = flag.String("pid-file", "", "a file to write the process id to")
	markerFile = flag.String("marker-file", "", "a file whose text is a header of every answer")
)

// newServer has limits on how long a connection may be idle, or a head be under way.
func newServer() *http.Server {
	text, err := os.ReadFile(*markerFile)
	if err != nil {
		log.Fatal(err)
	}
	marker := strings.TrimSpace(string(text))
	if marker == "" {
		log.Fatalf("expected a marker in %s, found none", *markerFile)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("X-Marker", marker)
		answer(w, r)
	})
	limit := 5 * time.Second
	return &http.Server{Addr: *address, Handler: handler, IdleTimeout: limit, ReadHeaderTimeout: limit}
}

func answer(w http.ResponseWriter, r *http.Request) {
	number := func(name string) int {
		value, _ := strconv.Atoi(r.URL.Query().Get(name))
		return value
	}
	pause := func() { time.Sleep(time.Duration(number("ms")) * time.Millisecond) }
	body := []byte("app\n")
	switch r.URL.Path {
	case "/slow":
		pause()
	case "/bytes":
		body = bytes.Repeat([]byte("x"), number("n"))
	case "/echo":
		body, _ = io.ReadAll(r.Body)
	case "/status":
		w.WriteHeader(number("code"))
		return
	case "/stream":
		for chunk := number("chunks"); chunk > 0; chunk-- {
			fmt.Fprintln(w, "chunk")
			w.(http.Flusher).Flush()
			pause()
		}
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}
