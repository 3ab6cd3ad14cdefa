package labtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"workbook.example/tools/wire"
)

// Frames and values as a reader sees them: short, and without anything in them
// that a terminal would obey.

const (
	maxLabel = 60 // columns of a frame in a ladder
	maxFrame = 90 // columns of a frame in a sentence
	maxValue = 24 // characters of a value in it
)

// order is what a reader wants to know of a message first. Fields that are not
// in it follow by name.
var order = []string{"id", "success", "code", "username", "content", "message", "seq"}

// hidden are fields that are not shown unless they were compared.
var hidden = []string{"password", "timestamp"}

// label is a frame in the ladder: its type and the fields that were compared.
// When nothing was, it is the type and as many fields as fit.
func label(frame []byte, compared Fields) string {
	m, err := parse(frame)
	if err != nil {
		return rawLabel(frame)
	}
	var b strings.Builder
	kind, hasType := m.fields["type"].(string)
	if hasType {
		b.WriteString(shortName(kind))
	}
	for _, key := range sortedKeys(m.fields, compared) {
		if _, must := compared[key]; !must && (len(compared) > 1 || slices.Contains(hidden, key)) {
			b.WriteString(" …")
			break
		}
		if key == "type" && hasType {
			continue
		}
		part := key + ":" + value(m.fields[key])
		if b.Len() > 0 {
			part = " " + part
		}
		if utf8.RuneCountInString(b.String()+part) > maxLabel {
			if _, must := compared[key]; !must {
				b.WriteString(" …")
				break
			}
		}
		b.WriteString(part)
	}
	return b.String()
}

// shortName is a type as it stands in a sentence: bare if it is a plain word.
func shortName(kind string) string {
	plain := kind != "" && !strings.ContainsFunc(kind, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if plain && len(kind) <= maxValue {
		return kind
	}
	return value(kind)
}

// sortedKeys are the keys of a message: those compared first.
func sortedKeys[V any](fields map[string]V, compared Fields) []string {
	rank := func(key string) int {
		if _, isCompared := compared[key]; isCompared {
			return -1
		}
		if i := slices.Index(order, key); i >= 0 {
			return i
		}
		if slices.Contains(hidden, key) {
			return len(order) + 1
		}
		return len(order)
	}
	return slices.SortedFunc(maps.Keys(fields), func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// value is a field's value, shortened.
func value(v any) string {
	switch v := v.(type) {
	case Wanted:
		return v.words
	case func(any) bool:
		return wordFitting
	case string:
		return quote(v)
	case Fields:
		return braces(v)
	case map[string]any:
		return braces(v)
	}
	if list := reflect.ValueOf(v); list.IsValid() && list.Kind() == reflect.Slice {
		var parts []string
		for i := range list.Len() {
			parts = append(parts, value(list.Index(i).Interface()))
		}
		return clip("[" + strings.Join(parts, ", ") + "]")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return clip(string(text))
}

// clip shortens what is not a string.
func clip(text string) string {
	if runes := []rune(text); len(runes) > 2*maxValue {
		return string(runes[:2*maxValue-1]) + "…"
	}
	return text
}

// quote is a string in quotes, shortened, with everything in it escaped that is
// not visible.
func quote(s string) string {
	runes := []rune(s)
	if len(runes) > maxValue {
		return strconv.Quote(string(runes[:maxValue-1])) + "…"
	}
	return strconv.Quote(s)
}

// rawLabel is bytes that are no message, quoted.
func rawLabel(b []byte) string {
	const head = 24
	if len(b) <= head {
		return quoteRaw(b)
	}
	cut := head
	for cut > head-utf8.UTFMax && !utf8.RuneStart(b[cut]) {
		cut--
	}
	return fmt.Sprintf(labelLong, quoteRaw(b[:cut]), len(b))
}

// quoteRaw quotes JSON so that it stays readable, and everything else so that
// what is not visible is.
func quoteRaw(b []byte) string {
	if s := string(b); strings.Contains(s, `"`) && strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(string(b))
}

// describeMessage is a message in a sentence: its type and the fields that
// were compared.
func describeMessage(m Message, compared Fields) string {
	shown := Fields{}
	for key := range compared {
		if key == "type" {
			continue
		}
		if v, has := m.fields[key]; has {
			shown[key] = v
		} else if !isAbsent(compared[key]) {
			shown[key] = Absent
		}
	}
	if kind := m.String("type"); kind != "" {
		// What came says most about itself when it is not what was wanted.
		if w, ok := compared["type"].(string); ok && w != kind {
			return describeFrame(m, nil)
		}
		return strings.TrimSpace(shortName(kind) + " " + braces(shown))
	}
	return describeFrame(m, nil)
}

func isAbsent(want any) bool {
	w, ok := want.(Wanted)
	return ok && w.words == wordAbsent
}

// describeFrame is all of a frame in a sentence, as far as it fits.
func describeFrame(m Message, frame []byte) string {
	if m.fields == nil {
		return rawLabel(frame)
	}
	var b strings.Builder
	kind := m.String("type")
	if kind != "" {
		b.WriteString(shortName(kind) + " ")
	}
	shown := Fields{}
	for _, key := range sortedKeys(m.fields, nil) {
		if key == "type" && kind != "" {
			continue
		}
		if slices.Contains(hidden, key) {
			continue
		}
		shown[key] = m.fields[key]
		if utf8.RuneCountInString(kind+braces(shown)) > maxFrame {
			delete(shown, key)
		}
	}
	b.WriteString(braces(shown))
	return strings.TrimSpace(b.String())
}

// describeWanted is what was wanted instead of m: what is the same is not said
// again.
func describeWanted(m Message, want Fields) string {
	missed := m.misses(want)
	if _, other := missed["type"]; other {
		return describeFields(want)
	}
	return braces(missed)
}

// describeFields is wanted fields in a sentence.
func describeFields(want Fields) string {
	kind, hasType := want["type"].(string)
	if !hasType {
		return braces(want)
	}
	rest := maps.Clone(want)
	delete(rest, "type")
	return strings.TrimSpace(shortName(kind) + " " + braces(rest))
}

// braces is {success:false, code:"x"}; nothing for no fields.
func braces(fields Fields) string {
	if len(fields) == 0 {
		return ""
	}
	var parts []string
	for _, key := range sortedKeys(fields, nil) {
		parts = append(parts, key+":"+value(fields[key]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

const (
	maxLines = 40   // of what is said about a failure
	maxWidth = 1000 // characters of such a line
)

// readable is what is said about a failure, without anything that a terminal
// would obey, and cut where nobody would read on.
func readable(s string) string {
	var out []string
	for text := range strings.Lines(s) {
		if len(out) == maxLines {
			out = append(out, "…")
			break
		}
		text = strings.TrimSuffix(text, "\n")
		if len(text) > maxWidth {
			text = strings.ToValidUTF8(text[:maxWidth], "") + "…"
		}
		parts := strings.Split(text, "\t")
		for i := range parts {
			parts[i] = wire.Visible(parts[i])
		}
		out = append(out, strings.Join(parts, "\t"))
	}
	return strings.Join(out, "\n")
}

// unbraced is described fields as they stand in a drawing.
func unbraced(s string) string {
	if strings.HasPrefix(s, "{") {
		return strings.TrimSuffix(s[1:], "}")
	}
	return s
}

// seconds is a duration as it is spoken of.
func seconds(d time.Duration) string {
	if d >= time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
	}
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + " ms"
}
