// A server on cloudflare/tableflip, after the example in its documentation: SIGHUP starts the program anew with the same listening
// socket, and once that is ready this process shuts its server down and ends.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloudflare/tableflip"
)

func main() {
	flag.Parse()
	upgrader, err := tableflip.New(tableflip.Options{PIDFile: *pidFile})
	if err != nil {
		log.Fatal(err)
	}
	defer upgrader.Stop()

	go func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGHUP)
		for range signals {
			if err := upgrader.Upgrade(); err != nil {
				log.Println("upgrade failed:", err)
			}
		}
	}()

	// Listen has to be called before Ready.
	listener, err := upgrader.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	server := newServer()
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	if err := upgrader.Ready(); err != nil {
		log.Fatal(err)
	}
	<-upgrader.Exit()

	// What is left then is cut.
	time.AfterFunc(30*time.Second, func() { os.Exit(1) })
	server.Shutdown(context.Background())
}
