// torchwood-check verifies a log with the library filippo.io/torchwood, and with nothing of ours.
//
//	torchwood-check entries URL POLICY       streams and verifies every entry of the log, prints how many
//	torchwood-check proof POLICY ENTRY PROOF verifies that the file ENTRY is in a log, by a tlog-proof file
//
// POLICY is a file in the form of C2SP tlog-policy.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 4 && os.Args[1] == "entries":
		fmt.Printf("verified %d entries\n", countEntries(os.Args[2], policy(os.Args[3])))
	case len(os.Args) == 5 && os.Args[1] == "proof":
		check(torchwood.VerifyProof(policy(os.Args[2]), tlog.RecordHash(read(os.Args[3])), read(os.Args[4])))
		fmt.Println("proof holds")
	default:
		log.Fatal("usage: torchwood-check entries URL POLICY | proof POLICY ENTRY PROOF")
	}
}

// countEntries fails unless all entries that the signed checkpoint promises arrive and hash to its root.
func countEntries(url string, policy torchwood.Policy) int64 {
	ctx := context.Background()
	fetcher, err := torchwood.NewTileFetcher(url, torchwood.WithConcurrencyLimit(8))
	check(err)
	signed, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	check(err)
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	check(err)
	client, err := torchwood.NewClient(fetcher)
	check(err)
	count := int64(0)
	for index := range client.AllEntries(ctx, checkpoint.Tree, 0) {
		if index != count {
			log.Fatalf("entry %d came where %d was due", index, count)
		}
		count++
	}
	check(client.Err())
	if count != checkpoint.N {
		log.Fatalf("%d of %d entries came", count, checkpoint.N)
	}
	return count
}

func policy(path string) torchwood.Policy {
	parsed, err := torchwood.ParsePolicy(read(path))
	check(err)
	return parsed
}

func read(path string) []byte {
	content, err := os.ReadFile(path)
	check(err)
	return content
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
