package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// row is one line of the report: a figure of ours, and where there is one, the
// same of a peer measured in the same run.
type row struct {
	what   string
	ours   string
	peer   string  // "" where there is none
	theirs string  // the peer's figure
	ratio  float64 // ours against the peer's; 0 for none
	goal   string  // "" where none was set
	met    bool    // of the goal
}

// absent is who did not take part, and why.
type absent struct{ who, why string }

// beside compares times: less is better, goal is the highest ratio (0: none).
func beside(what string, ours time.Duration, peer string, theirs time.Duration, goal float64) row {
	r := row{what: what, ours: span(ours), peer: peer, theirs: span(theirs), ratio: float64(ours) / float64(max(theirs, 1))}
	if goal > 0 {
		r.goal = fmt.Sprintf("≤ %.4g×", goal)
		r.met = r.ratio <= goal
	}
	return r
}

// faster compares rates per second: more is better, goal is the lowest ratio.
func faster(what string, ours float64, peer string, theirs, goal float64, unit string) row {
	r := row{what: what, ours: fmt.Sprintf("%.0f %s", ours, unit), peer: peer, theirs: fmt.Sprintf("%.0f %s", theirs, unit), ratio: ours / theirs}
	if goal > 0 {
		r.goal = fmt.Sprintf("≥ %.4g×", goal)
		r.met = r.ratio >= goal
	}
	return r
}

// within compares a time with a bound; 0 is none.
func within(what string, ours, goal time.Duration) row {
	r := row{what: what, ours: span(ours)}
	if goal > 0 {
		r.goal = "≤ " + span(goal)
		r.met = ours <= goal
	}
	return r
}

func (r row) cells() []string {
	ratio, peer := "", r.peer
	if r.ratio > 0 {
		ratio = fmt.Sprintf("%.2f×", r.ratio)
	}
	verdict := ""
	switch {
	case r.goal != "" && r.met:
		verdict = "yes"
	case r.goal != "":
		verdict = "**no**"
	}
	return []string{r.what, ratio, r.goal, verdict, r.ours, peer, r.theirs}
}

var heads = []string{"what", "ratio", "goal", "met", "nemoclaw", "beside", "its figure"}

func table(w io.Writer, rows []row) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells []string) {
		for i, c := range cells {
			if c == "**no**" {
				c = "NO"
			}
			fmt.Fprintf(tw, "%s", c)
			if i < len(cells)-1 {
				fmt.Fprint(tw, "\t")
			}
		}
		fmt.Fprintln(tw)
	}
	line(heads)
	for _, r := range rows {
		line(r.cells())
	}
	_ = tw.Flush() // fails where w does, and then nobody reads
}

// span prints a time with three digits.
func span(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
}
