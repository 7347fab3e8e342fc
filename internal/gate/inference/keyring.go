package inference

import (
	"sync"
	"time"
)

// fresh is how long a key is used without asking for it again: a call does not
// wait for whoever keeps the keys, and a new key is taken soon.
const fresh = 2 * time.Second

// keyring holds the providers' keys for a moment. It is safe for concurrent
// use.
type keyring struct {
	get func(name string) ([]byte, error)

	mu   sync.Mutex
	held map[string]heldKey // protected by mu
}

type heldKey struct {
	value []byte
	at    time.Time
}

// key is a stored secret. A call that began under an older policy, whose keys
// may not be given out any more, finishes with the one that it had.
func (k *keyring) key(name string, now time.Time, older bool) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	held, has := k.held[name]
	if has && now.Sub(held.at) < fresh {
		return held.value, nil
	}
	value, err := k.get(name)
	if err != nil {
		if has && older {
			return held.value, nil
		}
		delete(k.held, name)
		return nil, err
	}
	if k.held == nil {
		k.held = map[string]heldKey{}
	}
	k.held[name] = heldKey{value, now}
	return value, nil
}

// forget makes the next call ask for a key again: the provider refused it.
func (k *keyring) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if held, has := k.held[name]; has {
		held.at = time.Time{}
		k.held[name] = held
	}
}
