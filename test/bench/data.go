package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
)

// lines returns a file of n JSON lines of about 185 bytes, always the same.
func lines(dir string, n int) (string, error) {
	path := filepath.Join(dir, fmt.Sprintf("lines-%d.ndjson", n))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewSource(20260101))
	cities := []string{"Berlin", "São Paulo", "Nairobi", "Osaka", "Lyon", "Toronto"}
	for i := range n {
		fmt.Fprintf(w, `{"id":"u-%07d","ts":%d,"event":"order.%d","amount":%.2f,"user":{"name":"user %d","city":%q,"vip":%t},"tags":["a%d","b%d"],"note":"%08x%08x%08x"}`+"\n",
			r.Intn(5000000), 1700000000000+int64(i)*7, r.Intn(8), r.Float64()*1000, r.Intn(100000), cities[r.Intn(len(cities))], r.Intn(2) == 0,
			r.Intn(100), r.Intn(100), r.Uint32(), r.Uint32(), r.Uint32())
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return path, os.Rename(path+".part", path)
}

// record is a line and its key, both as JSON.
type record struct{ key, value []byte }

// records reads the first n lines of the file.
func records(path string, n int) ([]record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rs []record
	for s := bufio.NewScanner(f); len(rs) < n && s.Scan(); {
		line := bytes.Clone(s.Bytes())
		var v struct {
			ID json.RawMessage `json:"id"`
		}
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("read record %d: %w", len(rs), err)
		}
		rs = append(rs, record{v.ID, line})
	}
	return rs, nil
}
