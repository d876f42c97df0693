/**
 * Everything that can be wrong with a log, as one tree.
 *
 * TlogError
 * ├── FormatError               bytes are not in the format they claim to be in
 * │   └── KeyIdMismatch         a verifier key whose key ID is not that of its own name, type and public key
 * ├── SignatureError
 * │   ├── BadSignature          a line of a known key that does not verify: the whole note is refused
 * │   ├── NotSigned             a required signature is not there
 * │   │   └── NotChecked        it is there, of an algorithm that this runtime does not have
 * │   └── QuorumNotReached      too few witnesses of the policy cosigned
 * ├── OriginMismatch            the checkpoint of another log
 * ├── ProofError
 * │   ├── InclusionError        the entry is not proved to be at this index of this tree
 * │   └── ConsistencyError      the smaller tree is not proved to be a prefix of the larger one
 * ├── FetchError                the log's files cannot be read now
 * │   └── MissingResource       the log does not have a file it must have
 * └── AuditError
 *     ├── ForkError             two signed checkpoints that cannot both be true
 *     ├── RollbackError         the log shows a smaller tree than one seen before
 *     └── TamperedError         published files contradict each other or the signed root
 */
export class TlogError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

export class FormatError extends TlogError {}
export class KeyIdMismatch extends FormatError {}

export class SignatureError extends TlogError {}
export class BadSignature extends SignatureError {}
export class NotSigned extends SignatureError {}
export class NotChecked extends NotSigned {}
export class QuorumNotReached extends SignatureError {}

export class OriginMismatch extends TlogError {}

export class ProofError extends TlogError {}
export class InclusionError extends ProofError {}
export class ConsistencyError extends ProofError {}

/** `path` is the file below the log's prefix, such as `tile/0/000`. */
export class FetchError extends TlogError {
  constructor(
    readonly path: string,
    problem: string,
  ) {
    super(`${path}: ${problem}`);
  }
}

export class MissingResource extends FetchError {
  constructor(path: string) {
    super(path, "the log does not have this file");
  }
}

export class AuditError extends TlogError {}
export class ForkError extends AuditError {}
export class RollbackError extends AuditError {}

/** `path` is the file that contradicts the others. */
export class TamperedError extends AuditError {
  constructor(
    readonly path: string,
    problem: string,
  ) {
    super(`${path}: ${problem}`);
  }
}
