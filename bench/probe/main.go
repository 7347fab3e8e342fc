package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: probe serve | proxy ADDRESS … | model | reverse ADDRESS | secure FILE | secure-reverse ADDRESS FILE | ask | calls | nothing")
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve()
	case "proxy":
		err = proxy(os.Args[2:])
	case "model":
		err = model()
	case "reverse":
		err = reverse(os.Args[2])
	case "secure":
		err = secure(os.Args[2])
	case "secure-reverse":
		err = secureReverse(os.Args[2], os.Args[3])
	case "ask":
		err = ask()
	case "calls":
		err = price()
	case "nothing":
	default:
		err = fmt.Errorf("no verb %q", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
