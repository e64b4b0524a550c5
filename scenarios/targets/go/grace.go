// A server on facebookgo/grace, after the demonstration that comes with it: SIGUSR2 starts the program anew with the same listening
// socket, and once that serves it ends this process by SIGTERM.
package main

import (
	"flag"
	"log"

	"github.com/facebookgo/grace/gracehttp"
)

func main() {
	flag.Parse()
	if err := gracehttp.Serve(newServer()); err != nil {
		log.Fatal(err)
	}
}
