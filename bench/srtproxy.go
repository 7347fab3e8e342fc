package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// srtProxyScript runs the HTTP proxy of srt alone, with a filter that allows
// everything.
const srtProxyScript = `import { createHttpProxyServer } from './node_modules/@anthropic-ai/sandbox-runtime/dist/sandbox/http-proxy.js';
const s = createHttpProxyServer({ filter: () => true });
s.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + s.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
`

// srtProxyTurns are fewer than for the plain proxy: each takes longer.
const srtProxyTurns = 20

// startSRTProxy gives the address of the proxy, which the ground ends.
func (g *ground) startSRTProxy(ctx context.Context) (address string, err error) {
	dir := srtFolder(g)
	if err := installSRT(ctx, dir); err != nil {
		return "", err
	}
	script := filepath.Join(dir, "proxy.mjs")
	if err := os.WriteFile(script, []byte(srtProxyScript), 0o600); err != nil {
		return "", err
	}
	c := exec.Command("node", script)
	_, out, err := g.pipes(c)
	if err != nil {
		return "", err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return "", fmt.Errorf("%s: gave no address", c)
	}
	return lines.Text(), nil
}

// besideSRT lets the gate and srt's proxy take turns.
func (e *ends) besideSRT(ctx context.Context, g *ground) ([]row, error) {
	proxy, err := g.startSRTProxy(ctx)
	if err != nil {
		g.lacks("srt's proxy", err)
		return nil, nil
	}
	var ours, theirs sample
	for turn := range srtProxyTurns + 1 {
		a, err := e.inside.ask(request{Do: "echo", To: fromInside(e.direct[echoServer]), N: connectsATurn})
		if err != nil {
			return nil, err
		}
		b, err := e.outside.ask(request{Do: "tunnel", To: proxy + " " + e.direct[echoServer], N: connectsATurn})
		if err != nil {
			return nil, fmt.Errorf("through srt's proxy: %w", err)
		}
		if turn > 0 { // the first turn warms up
			ours, theirs = append(ours, a.Took...), append(theirs, b.Took...)
		}
	}
	const what, peer = "gate: connect and 1 byte echoed, ", "srt's HTTP proxy alone, by CONNECT"
	return []row{
		beside(what+"p50", ours.median(), peer, theirs.median(), 0),
		beside(what+"p99", ours.p99(), peer, theirs.p99(), 0),
	}, nil
}
