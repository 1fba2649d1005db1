package redact

import (
	_ "embed"
	"strings"
	"sync"
)

// words.txt holds the words of this program's own messages, keys and enums, in
// lower case. A password that is one of them says nothing where it stands in a
// sentence of ours, and hiding it would make the sentence unreadable.
//
//go:embed words.txt
var wordList string

type vocabulary struct {
	words   map[string]bool
	bigrams map[[2]byte]bool // pairs of letters that stand in several words
}

var vocabularyOf = sync.OnceValue(func() vocabulary {
	v := vocabulary{words: make(map[string]bool), bigrams: make(map[[2]byte]bool)}
	pairs := make(map[[2]byte]int)
	for word := range strings.FieldsSeq(wordList) {
		v.words[word] = true
		for i := 1; i < len(word); i++ {
			pairs[[2]byte{word[i-1], word[i]}]++
		}
	}
	for pair, n := range pairs {
		if n >= 4 {
			v.bigrams[pair] = true
		}
	}
	return v
})

// ownWord reports whether the program uses this word itself.
func ownWord(word string) bool { return vocabularyOf().words[strings.ToLower(word)] }

// pronounceable reports whether letters could be a word of a language, of which
// nearly every pair of letters is a common one.
func pronounceable(letters string) bool {
	if ownWord(letters) {
		return true
	}
	letters = strings.ToLower(letters)
	rare := 0
	for i := 1; i < len(letters); i++ {
		ascii := letters[i-1] < 0x80 && letters[i] < 0x80
		if ascii && !vocabularyOf().bigrams[[2]byte{letters[i-1], letters[i]}] {
			rare++
		}
	}
	return len(letters) < minSuspicious || rare*100 < 30*(len(letters)-1)
}
