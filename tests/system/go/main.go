// Tlogcheck reads a mirror of a Setu log with the Go checksum database's own packages, and none of Setu's code.
//
//	tlogcheck DIR VKEY [STEP]
//
// DIR holds checkpoint, tile/... and, if any, heads/*: earlier signed heads of the same log. It checks the note's
// signature, every STEP-th record (all by default) against its leaf hash and its inclusion proof, and every earlier
// head's consistency with the newest.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: tlogcheck DIR VKEY [STEP]"))
	}
	step := int64(1)
	if len(os.Args) > 3 {
		n, err := strconv.ParseInt(os.Args[3], 10, 64)
		fail(err)
		step = n
	}
	dir := os.Args[1]
	verifier, err := note.NewVerifier(os.Args[2])
	fail(err)
	head, err := openHead(filepath.Join(dir, "checkpoint"), verifier)
	fail(err)
	hashes := tlog.TileHashReader(head, tiles(dir))
	records, err := checkRecords(dir, head, hashes, step)
	fail(err)
	heads, err := checkHeads(dir, head, hashes, verifier)
	fail(err)
	fail(json.NewEncoder(os.Stdout).Encode(map[string]any{"size": head.N, "records": records, "heads": heads}))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlogcheck:", err)
		os.Exit(1)
	}
}

// openHead reads a checkpoint (C2SP tlog-checkpoint) whose origin is the verifier's name.
func openHead(path string, verifier note.Verifier) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s: %w", path, err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("%s: not a checkpoint of %s", path, verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// tiles reads tiles from a directory laid out as C2SP tlog-tiles says (the checksum database puts the height first).
type tiles string

func (tiles) Height() int                     { return height }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (dir tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(string(dir), tilePath(tile)))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func tilePath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

func checkRecords(dir string, head tlog.Tree, hashes tlog.HashReader, step int64) (int, error) {
	checked := 0
	for first := int64(0); first < head.N; first += 1 << height {
		width := min(head.N-first, 1<<height)
		path := filepath.Join(dir, "tile", "entries", bundleName(first>>height, int(width)))
		data, err := os.ReadFile(path)
		if err != nil {
			return checked, err
		}
		for index := first; index < first+width; index++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return checked, fmt.Errorf("%s: record %d is cut", path, index)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			record := data[2:end]
			data = data[end:]
			if index%step != 0 && index != head.N-1 {
				continue
			}
			if !json.Valid(record) {
				return checked, fmt.Errorf("%s: record %d is not JSON", path, index)
			}
			proof, err := tlog.ProveRecord(head.N, index, hashes)
			if err != nil {
				return checked, fmt.Errorf("record %d: %w", index, err)
			}
			if err := tlog.CheckRecord(proof, head.N, head.Hash, index, tlog.RecordHash(record)); err != nil {
				return checked, fmt.Errorf("record %d: %w", index, err)
			}
			checked++
		}
		if len(data) > 0 {
			return checked, fmt.Errorf("%s: %d bytes after the last record", path, len(data))
		}
	}
	return checked, nil
}

func bundleName(n int64, width int) string {
	tile := tlog.Tile{H: height, L: 0, N: n, W: width}
	return strings.TrimPrefix(tilePath(tile), "tile/0/")
}

func checkHeads(dir string, newest tlog.Tree, hashes tlog.HashReader, verifier note.Verifier) (int, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "heads", "*"))
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		head, err := openHead(path, verifier)
		if err != nil {
			return 0, err
		}
		if head.N == 0 || head.N == newest.N {
			if head.N == newest.N && !bytes.Equal(head.Hash[:], newest.Hash[:]) {
				return 0, fmt.Errorf("%s: another root of the same size", path)
			}
			continue
		}
		proof, err := tlog.ProveTree(newest.N, head.N, hashes)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		if err := tlog.CheckTree(proof, newest.N, newest.Hash, head.N, head.Hash); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	return len(paths), nil
}
