package avro

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
)

// maxExponentText is the longest number with a fraction or an exponent that is
// looked at for an int or a long.
const maxExponentText = 64

func isNumber(c byte) bool { return c == '-' || c >= '0' && c <= '9' }

func (e *encoder) integer(c byte, bits int, want string) *fault {
	if !isNumber(c) {
		return e.unexpected(want)
	}
	text, whole, f := e.number()
	if f != nil {
		return f
	}
	v, ok := int64(0), false
	if whole {
		v, ok = parseInt(text)
	} else if len(text) <= maxExponentText {
		v, ok = wholeValue(text)
		if !ok {
			return wrong("expected " + want + ", got a number that is not whole or too large")
		}
	}
	if !ok || bits == 32 && int64(int32(v)) != v {
		return wrong("the number is too large for " + want)
	}
	e.out = binary.AppendVarint(e.out, v)
	return nil
}

// parseInt reads the digits of a checked JSON number.
func parseInt(text []byte) (int64, bool) {
	if len(text) > 18 {
		v, err := strconv.ParseInt(string(text), 10, 64)
		return v, err == nil
	}
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	var v int64
	for _, c := range text {
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	return v, true
}

// wholeValue reads 1.0 or 1e3, which Java takes for whole numbers too.
func wholeValue(text []byte) (int64, bool) {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(v) > 1<<63 {
		return 0, false // first: the exact value of 1e999999999 would fill the memory
	}
	if math.Abs(v) < 1 && v != 0 {
		return 0, false
	}
	exact, ok := new(big.Rat).SetString(string(text))
	if !ok || !exact.IsInt() || !exact.Num().IsInt64() {
		return 0, false
	}
	return exact.Num().Int64(), true
}

func (e *encoder) float(c byte, bits int, want string) *fault {
	var v float64
	switch {
	case isNumber(c):
		text, _, f := e.number()
		if f != nil {
			return f
		}
		var err error
		if v, err = strconv.ParseFloat(string(text), bits); err != nil {
			return wrong("the number is too large for " + want)
		}
	case c == '"':
		raw, _, f := e.text()
		if f != nil {
			return f
		}
		switch string(raw) {
		case "NaN":
			v = math.NaN()
		case "Infinity":
			v = math.Inf(1)
		case "-Infinity":
			v = math.Inf(-1)
		default:
			return wrong("expected " + want + ", got a string")
		}
	default:
		return e.unexpected(want)
	}
	if bits == 32 {
		e.out = binary.LittleEndian.AppendUint32(e.out, math.Float32bits(float32(v)))
	} else {
		e.out = binary.LittleEndian.AppendUint64(e.out, math.Float64bits(v))
	}
	return nil
}
