package policy

import (
	"fmt"
	"strconv"
)

// Port is a TCP port, 1 to 65535. Zero is no port.
type Port uint16

// BadPort says that a text is no port.
type BadPort struct{ Text string }

func (e *BadPort) Error() string { return fmt.Sprintf("port %s: not in 1–65535", e.Text) }

// ParsePort reads a decimal port without sign, space or leading zero.
func ParsePort(text string) (Port, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, &BadPort{text}
	}
	return Port(n), nil
}
