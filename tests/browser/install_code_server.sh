#!/usr/bin/env bash
# VS Code's workbench from npm, with only the native modules that it needs to start.
#
#     tests/browser/install_code_server.sh FOLDER
#     HPMAGIC_CODE_SERVER=FOLDER/node_modules/code-server/out/node/entry.js pytest tests/browser
set -euo pipefail
mkdir -p "$1"
cd "$1"
npm install code-server --ignore-scripts --no-audit --no-fund
npm rebuild argon2
cd node_modules/code-server/lib/vscode
npm install --omit=dev --ignore-scripts --no-audit --no-fund
for module in @vscode/spdlog @parcel/watcher native-watchdog; do npm rebuild "$module"; done
ln -sfn node_modules node_modules.asar
cd extensions
npm install --omit=dev --ignore-scripts --no-audit --no-fund
