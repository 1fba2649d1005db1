package producer

import (
	"hash/crc32"
	"testing"
)

// TestMurmur2 holds the values of Kafka's own UtilsTest.testMurmur2.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

// TestPartitioners holds hashes from librdkafka's test 0048-partitioner.c,
// which were made with Java and with the crc32 command.
func TestPartitioners(t *testing.T) {
	const n = 17
	long := []byte("this is another string with more length to it perhaps")
	cases := map[string]struct {
		partitioner Partitioner
		key         []byte
		want        int32
	}{
		"murmur2, no key":              {Murmur2, nil, ChooseSticky},
		"murmur2, empty key":           {Murmur2, []byte{}, 0x106e08d9 % n},
		"murmur2, long key":            {Murmur2, long, 0x4f7703da % n},
		"murmur2, short key":           {Murmur2, []byte("hejsan"), 0x5ec19395 % n},
		"consistent, no key":           {ConsistentCRC32, nil, 0},
		"consistent, empty key":        {ConsistentCRC32, []byte{}, 0},
		"consistent, long key":         {ConsistentCRC32, long, 0xb0150df7 % n},
		"consistent, short key":        {ConsistentCRC32, []byte("hejsan"), 0xd077037e % n},
		"consistent random, empty key": {ConsistentRandom, []byte{}, ChooseSticky},
		"consistent random, short key": {ConsistentRandom, []byte("hejsan"), 0xd077037e % n},
		"sticky ignores keys":          {Sticky, []byte("hejsan"), ChooseSticky},
		"round robin ignores keys":     {RoundRobin, []byte("hejsan"), ChooseNext},
		"explicit refuses":             {Explicit, []byte("hejsan"), Refuse},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.partitioner(tc.key, n); got != tc.want {
				t.Errorf("got %d, want %d (crc %08x, murmur2 %08x)", got, tc.want, crc32.ChecksumIEEE(tc.key), murmur2(tc.key))
			}
		})
	}
}
