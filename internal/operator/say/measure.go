package say

import (
	"fmt"
	"time"
)

// Bytes writes n in binary units with three figures: "2.4 GiB".
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, u := float64(n)/1024, 0
	for f >= 1023.95 && u < len(units)-1 {
		f, u = f/1024, u+1
	}
	if f >= 100 || f == float64(int64(f)) {
		return fmt.Sprintf("%.0f %ciB", f, units[u])
	}
	return fmt.Sprintf("%.1f %ciB", f, units[u])
}

// Span writes a duration with its two largest units: "2m 34s", "3d 4h".
func Span(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s < 0:
		return "0s"
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm %ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh %dm", s/3600, s%3600/60)
	}
	return fmt.Sprintf("%dd %dh", s/86400, s%86400/3600)
}

// Count writes n with the word for it: "1 rule", "4 rules".
func Count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
