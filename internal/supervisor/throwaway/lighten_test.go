package throwaway

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// What is in memory of the program itself becomes less, and the program goes on.
func TestLighten(t *testing.T) {
	inMemory := func() int {
		b, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(b), "RssFile:")
		n, err := strconv.Atoi(strings.Fields(after)[0])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	inMemory() // has touched what it needs itself
	before := inMemory()
	Lighten()
	if after := inMemory(); after > before-1<<10 {
		t.Errorf("%d KiB before, %d after", before, after)
	}
}
