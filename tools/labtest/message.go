package labtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"reflect"
)

// Fields are the fields of a message that matter. To send, they are the whole
// message. To expect, the message must have each of them, and may have others.
//
// An expected value is compared with what came: numbers by their value, objects
// by the fields that are wanted of them, lists element by element. Instead of a
// value there may be Any, NonEmpty, Absent or a func(any) bool, which is given
// what encoding/json makes of the value, numbers as json.Number.
type Fields map[string]any

// A Wanted value is expected by what it is like, not by what it is.
type Wanted struct {
	words string
	fits  func(v any, present bool) bool
}

// What may be expected of a field instead of a value.
var (
	// Any value will do, but the field is there.
	Any = Wanted{wordAny, func(_ any, present bool) bool { return present }}
	// NonEmpty is a string, list or object that is not empty, or any number or bool.
	NonEmpty = Wanted{wordNonEmpty, func(v any, present bool) bool { return present && !empty(v) }}
	// Absent says that the message must not have the field.
	Absent = Wanted{wordAbsent, func(_ any, present bool) bool { return !present }}
)

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// Message is a frame that was received: one JSON object. The zero Message is
// an object without fields.
type Message struct {
	raw    []byte
	fields map[string]any
}

var errNotObject = errors.New("not a JSON object")

// parse reads a frame.
func parse(frame []byte) (Message, error) {
	in := json.NewDecoder(bytes.NewReader(frame))
	in.UseNumber() // ids keep all their digits
	var fields map[string]any
	if err := in.Decode(&fields); err != nil || fields == nil {
		return Message{}, errNotObject
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return Message{}, errNotObject
	}
	return Message{raw: frame, fields: fields}, nil
}

// Raw is the frame as it came, without its line end.
func (m Message) Raw() []byte { return m.raw }

// Has reports whether the message has a field.
func (m Message) Has(key string) bool {
	_, has := m.fields[key]
	return has
}

// String is the value of a field; "" when it is absent or not a string.
func (m Message) String(key string) string {
	s, _ := m.fields[key].(string)
	return s
}

// Number is the value of a field; 0 when it is absent or not a number.
func (m Message) Number(key string) float64 {
	n, _ := m.fields[key].(json.Number)
	f, err := n.Float64()
	if err != nil {
		return 0
	}
	return f
}

// Value is the value of a field as encoding/json decodes it, numbers as
// json.Number; nil when it is absent.
func (m Message) Value(key string) any { return m.fields[key] }

// misses returns the wanted fields that the message does not have as wanted.
func (m Message) misses(want Fields) Fields {
	missed := Fields{}
	for key, w := range want {
		v, present := m.fields[key]
		if !fits(w, v, present) {
			missed[key] = w
		}
	}
	return missed
}

// fits reports whether a value is as wanted.
func fits(want, v any, present bool) bool {
	switch want := want.(type) {
	case Wanted:
		return want.fits(v, present)
	case func(any) bool:
		return present && want(v)
	case Fields:
		object, ok := v.(map[string]any)
		return ok && len(Message{fields: object}.misses(want)) == 0
	case map[string]any:
		return fits(Fields(want), v, present)
	}
	if !present {
		return false
	}
	if list := reflect.ValueOf(want); list.IsValid() && list.Kind() == reflect.Slice {
		got, ok := v.([]any)
		if !ok || len(got) != list.Len() {
			return false
		}
		for i, g := range got {
			if !fits(list.Index(i).Interface(), g, true) {
				return false
			}
		}
		return true
	}
	return same(asJSON(want), v)
}

// asJSON is a value as it comes out of a message.
func asJSON(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return v
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	var out any
	if in.Decode(&out) != nil {
		return v
	}
	return out
}

// same compares two values that came out of JSON, numbers by their value.
func same(a, b any) bool {
	x, isNumber := a.(json.Number)
	y, isAlso := b.(json.Number)
	if !isNumber || !isAlso {
		return reflect.DeepEqual(a, b)
	}
	p, okP := new(big.Float).SetPrec(256).SetString(x.String())
	q, okQ := new(big.Float).SetPrec(256).SetString(y.String())
	return okP && okQ && p.Cmp(q) == 0
}
