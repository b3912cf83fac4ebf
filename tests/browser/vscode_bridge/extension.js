// A notebook controller that hands cells to a real ipykernel, for looking at outputs in VS Code's
// own workbench where Microsoft's Jupyter extension cannot be had.
const vscode = require('vscode');
const { spawn } = require('child_process');
const path = require('path');
const readline = require('readline');

function outputItems(data) {
  const text = value => (Array.isArray(value) ? value.join('') : String(value));
  return Object.entries(data).map(([mime, value]) =>
    mime === 'image/png'
      ? new vscode.NotebookCellOutputItem(Buffer.from(text(value), 'base64'), mime)
      : vscode.NotebookCellOutputItem.text(typeof value === 'object' ? JSON.stringify(value) : text(value), mime));
}

class Kernel {
  constructor(folder) {
    this.process = spawn(process.env.BRIDGE_PYTHON, [path.join(__dirname, 'kernel.py')], {
      cwd: folder, stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.handlers = new Map();
    this.displays = new Map();
    readline.createInterface({ input: this.process.stdout }).on('line', line => {
      const message = JSON.parse(line);
      this.handlers.get(message.id)?.(message);
    });
  }

  run(id, code, execution) {
    return new Promise(resolve => {
      this.handlers.set(id, message => {
        const items = message.data ? outputItems(message.data) : [];
        if (message.type === 'stream') {
          execution.appendOutput(new vscode.NotebookCellOutput([vscode.NotebookCellOutputItem.stdout(message.text)]));
        } else if (message.type === 'display') {
          const output = new vscode.NotebookCellOutput(items);
          if (message.display_id) this.displays.set(message.display_id, output);
          execution.appendOutput(output);
        } else if (message.type === 'update') {
          const output = this.displays.get(message.display_id);
          if (output) execution.replaceOutputItems(items, output);
        } else if (message.type === 'error') {
          execution.appendOutput(new vscode.NotebookCellOutput([
            vscode.NotebookCellOutputItem.error({ name: message.name, message: message.text, stack: message.stack })]));
        } else if (message.type === 'done') {
          this.handlers.delete(id);
          resolve(message.ok);
        }
      });
      this.process.stdin.write(JSON.stringify({ id, code }) + '\n');
    });
  }
}

exports.activate = context => {
  const controller = vscode.notebooks.createNotebookController('kernel-bridge', 'jupyter-notebook', 'Python (bridge)');
  controller.supportedLanguages = ['python'];
  let kernel, order = 0;
  controller.executeHandler = async (cells, notebook) => {
    kernel ??= new Kernel(path.dirname(notebook.uri.fsPath));
    for (const cell of cells) {
      const execution = controller.createNotebookCellExecution(cell);
      execution.executionOrder = ++order;
      execution.start(Date.now());
      await execution.clearOutput();
      const ok = await kernel.run(order, cell.document.getText(), execution);
      execution.end(ok, Date.now());
      if (!ok) break;
    }
  };
  const prefer = document => {
    if (document.notebookType === 'jupyter-notebook')
      controller.updateNotebookAffinity(document, vscode.NotebookControllerAffinity.Preferred);
  };
  vscode.workspace.notebookDocuments.forEach(prefer);
  context.subscriptions.push(controller, vscode.workspace.onDidOpenNotebookDocument(prefer));
};
