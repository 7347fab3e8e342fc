package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/launch/launchtest"
)

func main() {
	ctx := context.Background()
	n := 1
	if len(os.Args) > 1 {
		fmt.Sscan(os.Args[1], &n)
	}
	d, _ := os.MkdirTemp("", "cold")
	os.Chmod(d, 0777)
	defer os.Remove(d)
	for range n {
		t := time.Now()
		b, err := launch.Start(ctx, launchtest.Spec(d), launch.Options{UID: 200000, GID: 200000, Stderr: os.Stderr})
		if err != nil {
			panic(err)
		}
		t1 := time.Now()
		p, err := b.Run(ctx, spec.Command{Argv: []string{"/bin/true"}})
		if err != nil {
			panic(err)
		}
		p.Wait()
		t2 := time.Now()
		b.Kill()
		b.Wait()
		t3 := time.Now()
		if n > 1 || len(os.Args) > 1 {
			fmt.Println("start", t1.Sub(t), "run", t2.Sub(t1), "kill", t3.Sub(t2))
		}
	}
}
