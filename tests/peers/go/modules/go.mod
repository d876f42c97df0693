// What fetch.sh builds from the Go module proxy: omniwitness, and tessera-fsck with a note library that knows ML-DSA-44.
module hallmark.example/peers

go 1.25.0

require (
	github.com/transparency-dev/formats v0.1.2-0.20260710124811-af9e607161b6
	github.com/transparency-dev/merkle v0.0.3-0.20260707140218-77df88e508fa
	github.com/transparency-dev/tessera v1.0.4
	github.com/transparency-dev/witness v0.0.0-20260720115447-2e1c6971d19e
)

// v0.0.2 with subtree.go beside it.
replace github.com/transparency-dev/merkle => ./merkle
