package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// readAnswer reads one HTTP/1.1 answer and throws its body away. net/http's
// reader would cost as much as a lean gateway does, and the load shares the
// machine with what it measures.
func readAnswer(r *bufio.Reader) (keep bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	if len(line) < 12 {
		return false, fmt.Errorf("read the answer: a status line of %d bytes", len(line))
	}
	code, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	length, chunked, keep, err := readHeader(r)
	if err != nil {
		return false, err
	}
	var body io.Writer = io.Discard
	var text bytes.Buffer
	if code/100 != 2 {
		body = &text
	}
	switch {
	case chunked:
		err = copyChunks(body, r)
	case length > 0:
		_, err = io.CopyN(body, r, int64(length))
	case length < 0 && code != 204:
		keep = false // the body ends with the connection
		_, err = io.Copy(body, r)
	}
	if err == nil && code/100 != 2 {
		err = fmt.Errorf("answer %d: %.300s", code, text.Bytes())
	}
	return keep, err
}

func readHeader(r *bufio.Reader) (length int, chunked, keep bool, err error) {
	length, keep = -1, true
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, false, false, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return length, chunked, keep, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, false, fmt.Errorf("read the answer's length: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			keep = !bytes.EqualFold(value, []byte("close"))
		}
	}
}

func copyChunks(w io.Writer, r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return fmt.Errorf("read a chunk: %w", err)
		}
		if _, err := io.CopyN(w, r, n); err != nil {
			return err
		}
		if _, err := r.Discard(2); err != nil || n == 0 {
			return err
		}
	}
}
