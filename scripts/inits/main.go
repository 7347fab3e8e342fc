package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func main() {
	first := flag.String("first", "", "the packages to initialise first, with what they import")
	flag.Parse()
	if flag.NArg() != 3 {
		fmt.Fprintln(os.Stderr, "usage: inits -first PACKAGE,PACKAGE… LINKED OUT PACKAGE")
		os.Exit(2)
	}
	if err := write(flag.Arg(0), flag.Arg(1), append(strings.Split(*first, ","), flag.Arg(2))); err != nil {
		fmt.Fprintln(os.Stderr, "inits:", err)
		os.Exit(1)
	}
}

// write writes the program linked to out, in the order of packages.
func write(linked, out string, packages []string) error {
	order, err := listed(packages)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(linked)
	if err != nil {
		return err
	}
	if err := reorder(file, order); err != nil {
		return fmt.Errorf("%s: %w", linked, err)
	}
	return os.WriteFile(out, file, 0o755)
}

// listed are the packages and all that they import, each after its imports.
func listed(packages []string) ([]string, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps"}, packages...)...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	return strings.Fields(string(text)), err
}
