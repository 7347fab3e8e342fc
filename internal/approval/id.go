package approval

// IDs are letters and digits in turn, without those that look alike: a4f2.
const (
	letters = "abcdefghjkmnpqrtuvwxyz"
	digits  = "23456789"
	pair    = uint64(len(letters) * len(digits))
)

// makeID gives the nth ID, each another. Neighbours have nothing in common, so
// that a slip of the finger hits no other question. The first 30,976 have four
// characters; longer ones begin after them.
func makeID(n uint64) string {
	width, size := 2, pair*pair
	for n >= size {
		n -= size
		width, size = width+1, size*pair
	}
	n = n * 10007 % size // a prime, and no factor of any size: a permutation
	id := make([]byte, 0, 2*width)
	for range width {
		id = append(id, letters[n%pair/uint64(len(digits))], digits[n%uint64(len(digits))])
		n /= pair
	}
	return string(id)
}
