package inference

import (
	"net/http"
	"time"
)

// What is made of a request's JSON takes more memory than its bytes: two bytes can
// be a message, and a message is a struct, in a slice that was grown, and another
// of the translation. Each value is taken for what the worst of them came to in
// measurement, and what all calls under way come to is bounded.
const (
	valueCost  = 384       // bytes
	numberCost = 16        // of a number in a list, where lists of numbers belong
	allValues  = 256 << 20 // bytes, of all calls
)

// holdOff is when it is worth to try again, where there was no room.
const holdOff = time.Second

// weigh takes room for what will be made of raw, before anything is.
func (x *exchange) weigh(raw []byte) *refusal {
	each := int64(valueCost)
	if x.endpoint.act == embed || x.endpoint.act == generate { // tokens, in place of a text
		each = numberCost
	}
	cost := weight(raw, each)
	if cost > allValues {
		return refuse(http.StatusRequestEntityTooLarge, "request_too_large", "request body has too many values in its %d bytes", len(raw)).
			hinted("send less at once")
	}
	if !x.router.values.take(cost, allValues) {
		no := refuse(http.StatusServiceUnavailable, "busy", "too many large requests at once")
		no.retry = holdOff
		return no
	}
	x.weighs = cost
	return nil
}

// weight is what the values in raw cost; a number in a list costs number. What is
// no JSON has some weight as well.
func weight(raw []byte, number int64) int64 {
	cost := int64(valueCost)
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; i < len(raw) && raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		case '{':
			cost += valueCost
		case '[', ',':
			if isNumber(raw[i+1:]) { // in an object, a key would follow
				cost += number
			} else {
				cost += valueCost
			}
		}
	}
	return cost
}

// isNumber says whether a number is what comes next.
func isNumber(b []byte) bool {
	for _, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c == '-' || c >= '0' && c <= '9'
	}
	return false
}
