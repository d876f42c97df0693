#!/bin/sh
# Compiles clients/web into kms/public/page, where the service serves it from. Needed only after a change of the
# sources: what it makes is kept in the tree. Needs Node.js and npm; TypeScript goes into clients/web/node_modules.
set -eu
cd "$(dirname "$0")/../clients/web"
command -v npm >/dev/null || { echo "npm is not installed: the page in kms/public/page can be served without it" >&2; exit 1; }
test -x node_modules/.bin/tsc || npm install --no-audit --no-fund --no-package-lock --ignore-scripts --omit=peer
rm -rf ../../kms/public/page/*.js ../../kms/public/page/tlog
node_modules/.bin/tsc -p tsconfig.json
echo "kms/public/page is compiled"
