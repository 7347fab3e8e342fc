package wire

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// sealed is what the reader of a memory file asks for: nobody can change it
// under the reading.
const sealed = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// memory puts b into a sealed memory file. See memfd_create(2).
func memory(b []byte) (int, error) {
	fd, err := unix.MemfdCreate("nemoclaw", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("make memory file: %w", err)
	}
	for off := 0; off < len(b); {
		n, err := unix.Pwrite(fd, b[off:], int64(off))
		if err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("write memory file: %w", err)
		}
		off += n
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, sealed|unix.F_SEAL_SEAL); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("seal memory file: %w", err)
	}
	return fd, nil
}

func readMemory(fd int) ([]byte, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&sealed != sealed {
		return nil, errors.New("read memory file: not sealed")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("read memory file: %w", err)
	}
	if st.Size > maxBytes {
		return nil, fmt.Errorf("read memory file: %d bytes: at most %d", st.Size, maxBytes)
	}
	b := make([]byte, st.Size)
	for off := 0; off < len(b); {
		n, err := unix.Pread(fd, b[off:], int64(off))
		if err != nil {
			return nil, fmt.Errorf("read memory file: %w", err)
		}
		if n == 0 {
			return nil, errors.New("read memory file: short")
		}
		off += n
	}
	return b, nil
}

// SendSpec hands s over, with the descriptors that its Fd fields count.
func (c *Conn) SendSpec(s spec.Spec, fds ...int) error {
	mem, err := memory(spec.Encode(s))
	if err != nil {
		return fmt.Errorf("send spec: %w", err)
	}
	defer unix.Close(mem)
	return c.Send(spec.Message{Op: spec.OpSpec}, append([]int{mem}, fds...)...)
}

// ReceiveSpec takes the first message, which must be a spec, and the
// descriptors that came with it.
func (c *Conn) ReceiveSpec() (spec.Spec, []int, error) {
	m, fds, err := c.Receive()
	if err != nil {
		return spec.Spec{}, nil, err
	}
	if m.Op != spec.OpSpec || len(fds) == 0 {
		closeAll(fds)
		return spec.Spec{}, nil, fmt.Errorf("receive spec: got %q with %d descriptors", m.Op, len(fds))
	}
	b, err := readMemory(fds[0])
	if err != nil {
		closeAll(fds)
		return spec.Spec{}, nil, fmt.Errorf("receive spec: %w", err)
	}
	s, err := spec.Decode(b)
	if err != nil {
		closeAll(fds)
		return spec.Spec{}, nil, err
	}
	unix.Close(fds[0])
	return s, fds[1:], nil
}
