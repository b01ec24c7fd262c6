document.getElementById('app')!.textContent = 'soon';
