package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/nemoclaw/nemoclaw/internal/gate/inference"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// bareWord is the door of the process that bareRouter runs in.
const bareWord = "bare-router"

// bareRouter serves the router alone, without walls, a book or a log, until
// standard input ends; it prints its address. What it takes less than the one
// in a sandbox is the sandbox's share.
func bareRouter(model string) error {
	text := fmt.Sprintf("routes: [{model: \"*\", to: ollama/tiny}]\nproviders: {ollama: {url: \"http://%s\"}}\n", model)
	p, err := policy.ParseInference("inference.yaml", []byte(text))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- inference.New(inference.Config{Policy: func() *policy.Inference { return p }}).Serve(ctx, l)
	}()
	fmt.Println(l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	stop()
	if err != nil {
		return err
	}
	return <-served
}
