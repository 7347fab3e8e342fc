package policy

import (
	"slices"
	"strings"
)

func keys(known readers) []string {
	words := make([]string, 0, len(known))
	for w := range known {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

// wordList joins words for a sentence: a, b or c.
func wordList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// nearest is the known word that somebody who wrote text meant, or "".
func nearest(text string, known []string) string {
	text = strings.ToLower(text)
	best, least := "", 3
	for _, w := range known {
		far := distance(text, w)
		if far < least && far < len(w) {
			best, least = w, far
		}
		if best == "" && len(text) > 2 && (strings.HasPrefix(w, text) || strings.HasPrefix(text, w)) {
			best = w
		}
	}
	return best
}

// distance counts the letters to insert, delete or change (Levenshtein), and
// stops caring beyond 64 letters.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// Nearest is the known word that somebody who wrote text meant, or "".
func Nearest(text string, known []string) string { return nearest(text, known) }
